//! `get`: what stands under one key.

use std::process::ExitCode;

use super::{CommandContext, CommandError, format, output::Output, pages::patiently};
use crate::inspect::{EntryReport, PayloadForm, StampReport};

/// Show what stands under a key: what it says of itself, its stamps, its payload, and whether a read would take it, and if not, why.
///
/// The exit code is 1 if nothing stands there.
#[derive(Debug, Clone, clap::Args)]
pub struct GetCommand {
    /// The key, namespace and all.
    key: String,
    /// The payload alone.
    #[arg(long, conflicts_with = "json")]
    payload: bool,
    /// Print JSON; null if nothing stands there.
    #[arg(long)]
    json: bool,
}

impl GetCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let inspector = context.reached().await?;
        let report = patiently(async || inspector.entry(&self.key).await).await?;
        let code = ExitCode::from(u8::from(report.is_none()));
        context.say(self.json).either(&report, |output| match &report {
            None => output.line(&format!("Nothing stands under {}.", self.key)),
            Some(report) if self.payload => show_payload(report, output),
            Some(report) => show(report, output),
        })?;
        Ok(code)
    }
}

fn show(report: &EntryReport, output: &mut Output<'_>) -> Result<(), CommandError> {
    let summary = &report.summary;
    let key = &summary.key;
    let mut field = |name: &str, value: &str| output.line(&format!("{name:<10} {value}"));
    field("key", &key.text)?;
    field("kind", report.other_type.as_deref().unwrap_or(key.kind.as_str()))?;
    for (name, value) in [("tenant", &key.tenant), ("resource", &key.resource)] {
        if let Some(value) = value {
            field(name, value)?;
        }
    }
    for scope in &key.scopes {
        field("scope", &format!("{} = {}", scope.name, scope.value))?;
    }
    let payload = report.payload_size.filter(|size| *size != summary.size);
    let payload = payload.map(|size| format!(", payload {}", format::bytes(size)));
    field(
        "size",
        &[format::bytes(summary.size), payload.unwrap_or_default()].concat(),
    )?;
    if let Some(head) = &summary.head {
        let created = humantime::format_rfc3339_seconds(head.created_at);
        field("stored", &format!("{created}, {} ago", format::duration(head.age)))?;
        let (ttl, left) = (format::duration(head.ttl), format::duration(head.ttl_left));
        field("ttl", &format!("{ttl}, {left} left"))?;
        field("load", &format::micros(head.load_duration))?;
        let signed = if head.is_signed { ", signed" } else { "" };
        let negative = if head.is_negative {
            ", of nothing or an error"
        } else {
            ""
        };
        let compression = match head.compression.as_str() {
            "none" => String::new(),
            method => format!(", {method}"),
        };
        field("written", &[&*head.codec, &*compression, signed, negative].concat())?;
    }
    field("kept for", &format::option_duration(summary.time_left))?;
    if key.kind.is_entry() {
        field("state", summary.state.as_str())?;
    }
    for reason in &report.reasons {
        field("", reason)?;
    }
    for stamp in &report.stamps {
        field("stamp", &stamp_line(stamp))?;
    }
    show_payload(report, output)
}

fn stamp_line(stamp: &StampReport) -> String {
    let key = stamp.key.as_deref().unwrap_or("(not known here)");
    let verdict = match (stamp.is_current, &stamp.current) {
        (Some(true), _) => "current".to_owned(),
        (Some(false), Some(current)) => format!("now {current}"),
        (Some(false), None) => "gone".to_owned(),
        (None, _) => "cannot be told".to_owned(),
    };
    format!("{key} {} ({verdict})", stamp.loaded_under)
}

fn show_payload(report: &EntryReport, output: &mut Output<'_>) -> Result<(), CommandError> {
    let Some(payload) = &report.payload else { return Ok(()) };
    match payload.form {
        PayloadForm::Hex => {
            for line in payload.text.as_bytes().chunks(64) {
                output.line(&String::from_utf8_lossy(line))?;
            }
        }
        _ => {
            for line in payload.text.lines() {
                output.line(line)?;
            }
        }
    }
    if payload.is_cut {
        output.line("(and so on)")?;
    }
    Ok(())
}
