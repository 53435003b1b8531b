//! What `cargo xtask counts` counts the instructions of: `cache-counts <subject> <times>` does one thing that many times,
//! and `cache-counts` alone names the subjects.
//!
//! Whoever counts runs this for two numbers of times. The difference is what the thing itself takes, without the start of
//! the process and whatever else is done once.

mod service;
mod subjects;

use std::process::ExitCode;

use self::subjects::SUBJECTS;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [name, times] = &words[..] else {
        for (name, _) in SUBJECTS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let subject = SUBJECTS.iter().find(|(known, _)| known == name);
    let (Some((_, subject)), Ok(times)) = (subject, times.parse()) else {
        eprintln!("usage: cache-counts [<subject> <times>]");
        return ExitCode::FAILURE;
    };
    // One thread: what runs in the background runs only while the subject waits for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(subject(times));
    ExitCode::SUCCESS
}
