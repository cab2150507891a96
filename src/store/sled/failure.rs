//! How one step on the trees can go wrong: by the caller's fault, or by the store's.

use std::convert::Infallible;

use sled::transaction::TransactionError;

use crate::store::{BindError, Error};

/// Why a step was not carried out.
#[derive(Debug)]
pub(super) enum Failure<E = Error> {
    /// The caller gets this answer, and the store goes on.
    Refused(E),
    /// sled has failed. Its errors stick, so the whole database is dropped and opened again.
    Broken(sled::Error),
}

impl<E> From<sled::Error> for Failure<E> {
    fn from(error: sled::Error) -> Self {
        Failure::Broken(error)
    }
}

/// Our transactions never abort: whatever could refuse them is decided before, on the only thread that writes.
impl<E> From<TransactionError<Infallible>> for Failure<E> {
    fn from(error: TransactionError<Infallible>) -> Self {
        match error {
            TransactionError::Storage(error) => Failure::Broken(error),
            TransactionError::Abort(never) => match never {},
        }
    }
}

impl<E: From<Error>> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Failure::Refused(E::from(error))
    }
}

impl From<Failure> for Failure<BindError> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => Failure::Refused(error.into()),
            Failure::Broken(error) => Failure::Broken(error),
        }
    }
}
