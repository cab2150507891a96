//! What the fuzz targets share: a shop's site with its keys, cookies and sessions, and how their inputs are read.

mod input;
mod qq;
mod scene;

pub use input::{edited, fields, parts};
pub use qq::{QQ_CLIENT_ID, qq_provider};
pub use scene::{NOW, ORIGIN, Scene, attempt_and_state, folder, scene, store};
