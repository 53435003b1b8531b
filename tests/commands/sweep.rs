//! `sweep`: what was invalidated goes, and what was not stays.

use serde_json::json;
use support::keys;

use crate::service::Service;

#[tokio::test]
async fn a_sweep_removes_what_was_invalidated_and_a_dry_run_only_counts_it() {
    let service = Service::start().await;
    // The cache itself does not sweep.
    service.cache.invalidate("invoices").tenant("acme").await.unwrap();
    let outcome = service.json(&["sweep", "--dry-run"]);
    assert_eq!((&outcome["matched"], &outcome["removed"]), (&json!(13), &json!(4)));
    assert_eq!(keys(&service.server, "cache:*").len(), 13);
    let outcome = service.json(&["sweep", "--tenant", "default"]);
    assert_eq!((&outcome["matched"], &outcome["removed"]), (&json!(6), &json!(0)));
    assert_eq!(service.run(&["sweep"]), ("13 entries; 4 removed.\n".to_owned(), 0));
    assert_eq!(keys(&service.server, "cache:*").len(), 9);
    service.cache.close().await;
}
