//! What a hundred annotated methods cost the one who compiles them.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::Measurement;
use crate::{
    bench::{Bench, say},
    figure::{Figure, Must, Series, Unit},
    measure::{Contender, interleaved, nanoseconds},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "expansion",
    title: "100 annotated methods: what they take to compile, and how large the program is",
    run,
};

const METHODS: usize = 100;
/// The methods return one of so many types.
const TYPES: usize = 10;

/// Who annotates the methods.
struct Annotator {
    name: &'static str,
    dependency: &'static str,
    /// In front of a method that returns a type of this number.
    attribute: fn(usize) -> String,
    /// Whatever else the program needs.
    rest: fn() -> String,
}

const NOBODY: Annotator = Annotator {
    name: "bare",
    dependency: "",
    attribute: |_| String::new(),
    rest: String::new,
};

const OURS: Annotator = Annotator {
    name: "ours",
    dependency: concat!(
        "cache-runtime = { path = '",
        env!("CARGO_MANIFEST_DIR"),
        "/../cache-runtime' }"
    ),
    attribute: |number| format!(r#"#[cache_runtime::cached(resource = "pages_{number}", scope(company))]"#),
    rest: || {
        let declare = |number| format!("pages_{number} {{ ttl = 60, scope(company: i64) }}\n");
        let declarations: String = (0..TYPES).map(declare).collect();
        format!("mod cache_resources {{ cache_runtime::resources! {{ {declarations} }} }}\n")
    },
};

/// With the store that shares its entries, too, and an explicit key, as its manual has it for methods.
const CACHED: Annotator = Annotator {
    name: "cached",
    dependency: "cached = { version = '4.1', features = ['async', 'redis_tokio', 'redis_connection_manager'] }",
    attribute: |number| {
        format!(
            r##"#[cached::macros::concurrent_cached(
                in_impl = true, redis = true, ttl_secs = 60,
                cache_prefix_block = r#"{{ "pages_{number}" }}"#,
                key = "String", convert = r#"{{ format!("{{company}}:{{page}}:{{filter:?}}") }}"#,
                map_error = r#"|error| Error(error.to_string())"#
            )]"##
        )
    },
    rest: String::new,
};

/// With the store of the process alone: it encodes nothing, and has no client of a server.
const CACHED_IN_MEMORY: Annotator = Annotator {
    name: "cached-in-memory",
    dependency: "cached = { version = '4.1', features = ['async'] }",
    attribute: |_| {
        String::from(
            r##"#[cached::macros::concurrent_cached(
                in_impl = true, ttl_secs = 60,
                key = "(i64, u32, String)", convert = r#"{ (company, page, format!("{filter:?}")) }"#
            )]"##,
        )
    },
    rest: String::new,
};

const ANNOTATORS: [Annotator; 4] = [NOBODY, OURS, CACHED, CACHED_IN_MEMORY];

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let programs = Programs::written()?;
    let rounds = if bench.quick { 5 } else { 11 };
    for name in names() {
        say(&format!("dependencies of `{name}`"));
        programs.cargo(&["check"], name)?;
        programs.cargo(&["build"], name)?;
    }
    say("checks");
    let checks = in_turn(rounds, |name| programs.check(name))?;
    say("debug builds");
    let builds = in_turn(rounds, |name| programs.build(name))?;
    let (mut debug_sizes, mut sizes, mut crates) = (Vec::new(), Vec::new(), Vec::new());
    for name in names() {
        say(&format!("program of `{name}`"));
        programs.cargo(&["build", "--release"], name)?;
        debug_sizes.push(one_sample(name, programs.size("debug", name)?));
        sizes.push(one_sample(name, programs.size("release", name)?));
        crates.push(one_sample(name, programs.crates(name)?));
    }
    Ok([
        compared("cargo check", Unit::Nanoseconds, checks, &[("cached", 1.0)]),
        compared(
            "processor time of a debug build",
            Unit::Nanoseconds,
            builds,
            &[("cached-in-memory", 0.4)],
        ),
        compared("size of the program", Unit::Bytes, sizes, &[("cached", 1.0)]),
        compared(
            "size of the debug program",
            Unit::Bytes,
            debug_sizes,
            &[("cached-in-memory", 0.7)],
        ),
        compared("crates that are compiled", Unit::Count, crates, &[]),
    ]
    .concat())
}

/// So many rounds, in each of which this is measured of every program.
fn in_turn(rounds: usize, measure: impl Fn(&str) -> Result<f64>) -> Result<Vec<Series>> {
    let mut contenders: Vec<_> = names().map(|name| Contender::new(name, || measure(name))).collect();
    interleaved(rounds, &mut contenders)
}

fn one_sample(name: &str, sample: f64) -> Series {
    Series {
        name: name.to_owned(),
        samples: vec![sample],
    }
}

/// Ours against everybody else, with the ratios that it must not be above.
fn compared(name: &str, unit: Unit, mut series: Vec<Series>, limits: &[(&str, f64)]) -> Vec<Figure> {
    let ours = series.iter().position(|series| series.name == OURS.name);
    let ours = series.remove(ours.expect("it is one of the annotators"));
    let figure = |theirs: Series| {
        let limit = limits.iter().find(|(name, _)| *name == theirs.name);
        let figure = Figure::new(MEASUREMENT.name, name, unit, ours.clone()).against(theirs);
        match limit {
            Some((_, limit)) => figure.must(Must::RatioAtMost(*limit)),
            None => figure,
        }
    };
    series.into_iter().map(figure).collect()
}

/// A package with a hundred methods for each annotator. They are members of one workspace, which stays where it is from run to
/// run: what they depend on is compiled once, and for all of them.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// # Errors
    ///
    /// If the folder beside this program cannot be written to.
    fn written() -> Result<Self> {
        let program = env::current_exe()?;
        let folder = program.parent().context("a program is in a folder")?.join("expansion");
        let programs = Self { folder };
        for annotator in &ANNOTATORS {
            fs::create_dir_all(programs.of(annotator.name).join("src"))?;
            write_if_new(&programs.of(annotator.name).join("Cargo.toml"), &manifest(annotator))?;
            write_if_new(&programs.source(annotator.name), &source(annotator))?;
        }
        let members: Vec<_> = names().map(package).collect();
        let workspace =
            format!("[workspace]\nresolver = '3'\nmembers = {members:?}\n\n[profile.release]\nstrip = true\n");
        write_if_new(&programs.folder.join("Cargo.toml"), &workspace)?;
        // The same versions as everything here, and nothing is asked of the network.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        fs::copy(lock, programs.folder.join("Cargo.lock"))?;
        Ok(programs)
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(package(name))
    }

    fn source(&self, name: &str) -> PathBuf {
        self.of(name).join("src/main.rs")
    }

    /// How long it takes to check the package anew when its dependencies have been.
    fn check(&self, name: &str) -> Result<f64> {
        self.touch(name)?;
        let started = Instant::now();
        self.cargo(&["check"], name)?;
        Ok(nanoseconds(started.elapsed()))
    }

    /// What the processor takes to build the package anew when its dependencies have been.
    fn build(&self, name: &str) -> Result<f64> {
        self.touch(name)?;
        let before = processor_time_of_children()?;
        self.cargo(&["build"], name)?;
        Ok(nanoseconds(processor_time_of_children()?.saturating_sub(before)))
    }

    fn touch(&self, name: &str) -> Result<()> {
        let source = fs::read(self.source(name))?;
        Ok(fs::write(self.source(name), source)?)
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
    fn size(&self, profile: &str, name: &str) -> Result<f64> {
        let program = self.folder.join("target").join(profile).join(package(name));
        Ok(fs::metadata(program)?.len() as f64)
    }

    /// How many crates are compiled for the package, of itself and of others.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 crates")]
    fn crates(&self, name: &str) -> Result<f64> {
        let tree = self.cargo(&["tree", "--edges=normal,build", "--prefix=none", "--no-dedupe"], name)?;
        Ok(tree.lines().collect::<BTreeSet<_>>().len() as f64)
    }

    /// Has cargo do something with one of them, and returns what it prints. Nothing is compiled incrementally: what is measured is the
    /// whole package.
    fn cargo(&self, command: &[&str], name: &str) -> Result<String> {
        let output = Command::new("cargo")
            .args(command)
            .args(["--offline", "--quiet"])
            // Of this member alone, with the features that it asks for.
            .current_dir(self.of(name))
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .context("cargo could not be run")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{name}` does not build:\n{said}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The processor time that the children of this process have taken which have ended, and theirs; to a hundredth of a second.
fn processor_time_of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name of the program, which may have spaces in it: of user and of system, the 14th and the 15th.
    let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
    let hundredths = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    let hundredths: u64 = hundredths.sum::<std::result::Result<_, _>>()?;
    Ok(Duration::from_millis(hundredths * 10))
}

fn names() -> impl Iterator<Item = &'static str> {
    ANNOTATORS.iter().map(|annotator| annotator.name)
}

/// No package is called what it depends on.
fn package(name: &str) -> String {
    format!("methods-{name}")
}

/// What has not changed keeps its time, so that nothing is compiled again because of it.
fn write_if_new(file: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

fn manifest(annotator: &Annotator) -> String {
    let Annotator { name, dependency, .. } = annotator;
    format!(
        "[package]\nname = '{}'\nversion = '0.0.0'\nedition = '2024'\n\n[dependencies]\n{dependency}\n\
         serde = {{ version = '1', features = ['derive', 'rc'] }}\n\
         tokio = {{ version = '1', features = ['macros', 'rt-multi-thread'] }}\n",
        package(name)
    )
}

fn source(annotator: &Annotator) -> String {
    let mut source = String::from(
        "#![allow(unused)]\n\
         #[derive(Debug, Clone, serde::Serialize)]\n\
         pub struct Filter { status: String, search: Option<String>, min_cents: i64 }\n\
         #[derive(Debug, Clone)]\n\
         pub struct Error(String);\n\
         pub struct Service;\n",
    );
    source += &(annotator.rest)();
    for number in 0..TYPES {
        let _ = write!(
            source,
            "#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]\n\
             pub struct Row{number} {{ id: u64, customer: String, cents: i64, due: String, paid: bool }}\n\
             #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]\n\
             pub struct Page{number} {{ rows: Vec<Row{number}>, total: u64 }}\n"
        );
    }
    source += "impl Service {\n";
    let mut calls = String::new();
    for method in 0..METHODS {
        let number = method % TYPES;
        let attribute = (annotator.attribute)(number);
        let _ = write!(
            source,
            "{attribute}\n\
             pub async fn method_{method}(&self, company: i64, page: u32, filter: &Filter) -> Result<Page{number}, Error> {{\n\
                 tokio::task::yield_now().await;\n\
                 Ok(Page{number} {{ rows: Vec::new(), total: {method} }})\n\
             }}\n"
        );
        let _ = writeln!(
            calls,
            "total += service.method_{method}(1, 2, &filter).await.map_or(0, |page| page.total);"
        );
    }
    source += "}\n";
    let _ = write!(
        source,
        "#[tokio::main]\nasync fn main() {{\n\
         let (service, mut total) = (Service, 0);\n\
         let filter = Filter {{ status: String::new(), search: None, min_cents: 0 }};\n\
         {calls}println!(\"{{total}}\");\n}}\n"
    );
    source
}
