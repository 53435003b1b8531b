//! Names of companies and partners that do not exist.
use fastrand::Rng;

const PLACES: &[&str] = &[
    "Alder",
    "Beacon",
    "Cobalt",
    "Dune",
    "Ember",
    "Fjord",
    "Granite",
    "Harbour",
    "Isle",
    "Juniper",
    "Kestrel",
    "Larch",
    "Meadow",
    "Northgate",
    "Orchard",
    "Pebble",
    "Quarry",
    "Ridge",
    "Sable",
    "Tidewater",
];
const TRADES: &[&str] = &[
    "Bakeries",
    "Bearings",
    "Books",
    "Carpentry",
    "Ceramics",
    "Foods",
    "Freight",
    "Gardens",
    "Instruments",
    "Joinery",
    "Lighting",
    "Metalworks",
    "Optics",
    "Packaging",
    "Paper",
    "Plumbing",
    "Printing",
    "Textiles",
    "Tools",
    "Transport",
];
const FORMS: &[&str] = &["Ltd", "GmbH", "SRL", "SA", "BV"];

/// One of the companies whose books are kept.
pub(super) fn company(rng: &mut Rng, id: i64) -> String {
    format!("{} Holding {id}", pick(rng, PLACES))
}

/// One of the partners that owe them money.
pub(super) fn partner(rng: &mut Rng, id: i64) -> String {
    format!("{} {} {} {id}", pick(rng, PLACES), pick(rng, TRADES), pick(rng, FORMS))
}

fn pick(rng: &mut Rng, words: &[&'static str]) -> &'static str {
    words[rng.usize(0..words.len())]
}
