//! What the pages are made of: HTML by `maud`, which escapes whatever it is given.

pub(super) mod chart;
pub(super) mod figure;
pub(super) mod graph;
pub(super) mod layout;
pub(super) mod text;
pub(super) mod tile;
