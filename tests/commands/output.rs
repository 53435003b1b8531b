//! What the program says when it cannot do anything, and what it keeps from a terminal.

use std::process::Stdio;

use cache_testkit::RedisServer;

use crate::service::{Service, cachectl, outcome, output};

#[test]
fn without_an_address_it_says_how_to_give_one() {
    let said = outcome(&output(&mut cachectl(&["ls"])));
    assert_eq!(
        said,
        (
            "error: say where Redis is: --url redis://host:6379, or REDIS_URL\n".to_owned(),
            2
        )
    );
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let server = RedisServer::start().unwrap();
    server.kill();
    for command in [
        &["ls"][..],
        &["get", "x"],
        &["stats"],
        &["top"],
        &["invalidate", "x"],
        &["sweep"],
        &["sweep", "--dry-run"],
        &["watch"],
    ] {
        let (said, code) = outcome(&output(&mut cachectl(&[&["--url", server.url()], command].concat())));
        let port = server.port().unwrap().to_string();
        assert!(
            code == 2 && said.starts_with("error: the store cannot be used") && said.contains(&port),
            "{command:?}: {said}"
        );
    }
}

#[test]
fn a_wrong_password_is_said_and_not_repeated() {
    let server = RedisServer::builder().password("the right one").start().unwrap();
    let mut command = cachectl(&["ls", "--url", server.url()]);
    let (said, code) = outcome(&output(command.env("REDIS_PASSWORD", "wrong-secret")));
    assert!(
        code == 2 && said.contains("WRONGPASS") && !said.contains("wrong-secret"),
        "{said}"
    );
}

#[test]
fn what_makes_no_sense_is_a_failure_and_not_a_finding() {
    for arguments in [
        &["--url", "http://x", "ls"][..],
        &["ls", "--scope", "company"],
        &["ls", "--stamps", "--summary"],
        &["unknown"],
        &["watch", "--for", "soon"],
    ] {
        let (said, code) = outcome(&output(&mut cachectl(arguments)));
        assert!(code == 2 && said.contains("error"), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn nothing_that_stands_in_a_key_or_a_value_reaches_a_terminal_as_it_is() {
    let service = Service::start().await;
    let key = "evil\u{1b}[2J\r\nkey";
    let () = service
        .server
        .command(["SET", key, "value\u{1b}]0;title\u{7}"])
        .unwrap();
    for arguments in [
        &["ls", "--all"][..],
        &["get", key],
        &["stats"],
        &["ls", "--all", "--json"],
    ] {
        let (shown, code) = service.run(arguments);
        assert!(
            code == 0 && !shown.contains(['\u{1b}', '\u{7}', '\r']),
            "{arguments:?}: {shown:?}"
        );
    }
    service.cache.close().await;
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let service = Service::start().await;
    let mut child = service.command(&["ls"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    service.cache.close().await;
}
