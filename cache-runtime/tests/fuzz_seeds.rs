//! What the fuzz targets check, for their seeds: those that once found a bug are among them.

#[path = "../../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../../fuzz/checks/keys.rs"]
mod keys;
#[path = "../../fuzz/checks/seeds.rs"]
mod seeds;
#[path = "../../fuzz/checks/settings.rs"]
mod settings;

#[test]
fn the_seeds_of_envelope_pass() {
    seeds::each("envelope", envelope::check);
}

#[test]
fn the_seeds_of_keys_pass() {
    seeds::each("keys", keys::check);
}

#[test]
fn the_seeds_of_settings_pass() {
    seeds::each("settings", settings::check);
}
