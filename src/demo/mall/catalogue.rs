//! What the shop sells: invented goods, drawn by us.

use std::fmt;

use crate::http::language::Language;

/// One thing to buy.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) name: Bilingual,
    pub(super) about: Bilingual,
    pub(super) price: Price,
    /// SVG, to be put into the page as it stands.
    pub(super) art: &'static str,
}

/// A text in both languages.
#[derive(Debug)]
pub(super) struct Bilingual {
    chinese: &'static str,
    english: &'static str,
}

/// An amount in fen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price(pub(super) u32);

pub(super) static ITEMS: [Item; 8] = [
    Item {
        id: 1,
        name: both("青釉小茶杯", "Celadon teacup"),
        about: both(
            "一只刚好握满手心的杯子。热茶不烫手，凉了也好看。",
            "Just the size of a cupped hand. Keeps tea warm and fingers cool.",
        ),
        price: Price(6_800),
        art: include_str!("../../../templates/mall/art/teacup.svg"),
    },
    Item {
        id: 2,
        name: both("竹骨小灯笼", "Bamboo lantern"),
        about: both(
            "细竹作骨，棉纸作衣。晚饭后点上，屋子一下子就软了。",
            "Split bamboo and cotton paper. Light it after supper and the whole room softens.",
        ),
        price: Price(12_900),
        art: include_str!("../../../templates/mall/art/lantern.svg"),
    },
    Item {
        id: 3,
        name: both("桂花乌龙茶", "Osmanthus oolong"),
        about: both(
            "秋天收的桂花，窨了三遍。打开盖子，先闻到的是院子。",
            "Scented three times with autumn blossom. Lift the lid and there is the garden.",
        ),
        price: Price(8_800),
        art: include_str!("../../../templates/mall/art/tea.svg"),
    },
    Item {
        id: 4,
        name: both("会笑的帆布袋", "A bag that smiles"),
        about: both(
            "装得下一周的菜，也装得下一本厚书。洗得越久越软。",
            "Holds a week of vegetables or one very thick book. Softer with every wash.",
        ),
        price: Price(4_900),
        art: include_str!("../../../templates/mall/art/tote.svg"),
    },
    Item {
        id: 5,
        name: both("门神木版年画", "Door guardian print"),
        about: both(
            "手工套色，五块版子。贴在门上，坏运气请绕行。",
            "Hand printed from five blocks. Put it on the door, and bad luck walks on by.",
        ),
        price: Price(5_600),
        art: include_str!("../../../templates/mall/art/print.svg"),
    },
    Item {
        id: 6,
        name: both("布面手账本", "Clothbound notebook"),
        about: both(
            "摊得平，不洇墨，一百六十页，够写一整个春天。",
            "Lies flat, takes ink well, and has pages enough for a whole spring.",
        ),
        price: Price(3_990),
        art: include_str!("../../../templates/mall/art/notebook.svg"),
    },
    Item {
        id: 7,
        name: both("好养的多肉", "Forgiving succulent"),
        about: both("忘了浇水也没关系，它比你更有耐心。", "Forget to water it. It is more patient than you are."),
        price: Price(2_500),
        art: include_str!("../../../templates/mall/art/plant.svg"),
    },
    Item {
        id: 8,
        name: both("梅红油纸伞", "Plum paper umbrella"),
        about: both(
            "三十二根伞骨，桐油刷了七道。下雨天忽然值得期待。",
            "Thirty-two ribs and seven coats of tung oil. Rain becomes something to look forward to.",
        ),
        price: Price(16_800),
        art: include_str!("../../../templates/mall/art/umbrella.svg"),
    },
];

impl Item {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        let id: u32 = id.parse().ok()?;
        ITEMS.iter().find(|item| item.id == id)
    }
}

pub(super) const fn both(chinese: &'static str, english: &'static str) -> Bilingual {
    Bilingual { chinese, english }
}

impl Bilingual {
    pub(super) fn in_language(&self, language: Language) -> &'static str {
        match language {
            Language::Chinese => self.chinese,
            Language::English => self.english,
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "¥{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
