//! `watch`: invalidations as they happen.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::service::Service;

/// The program, which ends with the test.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(service: &Service, arguments: &[&str]) -> Self {
        let mut command = service.command(&[&["watch", "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut watching = Self { child, lines };
        assert_eq!(watching.next()["event"], json!("watching"));
        watching
    }

    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("another line").expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn each_invalidation_is_a_line_with_what_it_was_of() {
    let service = Service::start().await;
    let mut watching = Watching::start(&service, &[]);
    service
        .cache
        .invalidate("invoices")
        .tenant("acme")
        .scope("company", 2)
        .await
        .unwrap();
    let event = watching.next();
    assert_eq!(event["event"], json!("invalidated"));
    assert_eq!(
        (&event["tenant"], &event["resource"]),
        (&json!("acme"), &json!("invoices"))
    );
    assert_eq!(event["scopes"], json!([{"name": "company", "value": "2"}]));
    let () = service.server.command(["FLUSHALL"]).unwrap();
    assert_eq!(watching.next()["event"], json!("everything"));
    service.cache.close().await;
}

#[tokio::test]
async fn a_watch_of_one_resource_ends_after_as_many_events_as_were_asked_for() {
    let service = Service::start().await;
    let mut watching = Watching::start(&service, &["--resource", "reports", "--count", "1"]);
    service.cache.invalidate("invoices").tenant("acme").await.unwrap();
    service.cache.invalidate("reports").tenant("acme").await.unwrap();
    assert_eq!(watching.next()["resource"], json!("reports"));
    assert!(watching.lines.next().is_none(), "it has ended");
    assert!(watching.child.wait().expect("it ends").success());
    service.cache.close().await;
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_over() {
    let service = Service::start().await;
    assert_eq!(service.run(&["watch", "--for", "1ms"]).1, 0);
    service.cache.close().await;
}
