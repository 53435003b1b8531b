//! `doctor`: what is wrong with the servers, the rights and the data, and how to mend it.

mod finding;
mod keyspace;
mod server;

use std::process::ExitCode;

use serde::Serialize;

use self::{
    finding::{Finding, Severity},
    keyspace::Keyspace,
};
use super::{
    CommandContext, CommandError, format,
    output::{Column, Output},
    pages::patiently,
};
use crate::store::ServerReport;

/// Find what is wrong with the server, the rights and the data, and how to mend it.
///
/// Looked at are: version, role and replicas, memory and eviction, persistence, rights (ACL), round trips, clock, slow log, connections,
/// encryption and passwords, the state of a cluster, tracking of changes, and the keys: foreign ones, other services, keys that never
/// end. Nothing is changed.
///
/// The exit code is 1 if there are errors or warnings.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorCommand {
    /// Look at no more than this many keys; 0 for none.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    keys: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `doctor --json` prints.
#[derive(Debug, Serialize)]
struct Diagnosis {
    /// The worst first.
    findings: Vec<Finding>,
    servers: Vec<ServerReport>,
    /// `None` if the keys could not be looked at, or were not to be.
    keyspace: Option<Keyspace>,
}

impl DoctorCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let inspector = context.inspector().await?;
        let description = context.store()?.description();
        let mut findings = Vec::new();
        let servers = match patiently(async || inspector.servers().await).await {
            Ok(servers) => servers,
            Err(error) if error.kind() == crate::store::StoreErrorKind::Unsupported => return Err(error.into()),
            Err(cause) => {
                findings.push(Finding::unreachable(&description, &cause.to_string()));
                Vec::new()
            }
        };
        for server in &servers {
            findings.extend(server::findings(server, &description));
        }
        let is_reached = servers.iter().any(|server| server.unreachable.is_none());
        let mut keyspace = None;
        if is_reached && self.keys > 0 {
            match Keyspace::look(&inspector, context.cache(), self.keys).await {
                Ok(found) => keyspace = Some(found),
                Err(cause) => findings.push(Finding::not_examined(&cause.to_string())),
            }
        }
        if let Some(keyspace) = &keyspace {
            findings.extend(keyspace.findings(&servers));
        }
        // In the order of what it is about where two are as bad.
        findings.sort_by_key(|finding| finding.severity);
        let is_ill = findings.iter().any(|finding| finding.severity < Severity::Notice);
        let diagnosis = Diagnosis {
            findings,
            servers,
            keyspace,
        };
        context
            .say(self.json)
            .either(&diagnosis, |output| diagnosis.show(output))?;
        Ok(ExitCode::from(u8::from(is_ill)))
    }
}

impl Diagnosis {
    fn show(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        output.table(&COLUMNS, self.servers.iter().map(cells))?;
        if let Some(keyspace) = &self.keyspace {
            output.line("")?;
            output.line(&keyspace.sentence())?;
        }
        output.line("")?;
        if self.findings.is_empty() {
            return output.line("Nothing is wrong.");
        }
        for finding in &self.findings {
            finding.show(output)?;
        }
        Ok(())
    }
}

const COLUMNS: [Column; 7] = [
    Column::Text("SERVER"),
    Column::Text("VERSION"),
    Column::Text("ROLE"),
    Column::Number("MEMORY"),
    Column::Number("KEYS"),
    Column::Number("ROUND TRIP"),
    Column::Number("99 OF 100"),
];

fn cells(server: &ServerReport) -> Vec<String> {
    let text = |field: &str| server.info(field).unwrap_or_default().to_owned();
    let used = server.info("used_memory").and_then(|used| used.parse().ok());
    let round_trip = |part| server.round_trip(part).map(format::micros).unwrap_or_default();
    let role = match server.info("role") {
        Some("master") => "primary",
        Some("slave") => "replica",
        _ if server.unreachable.is_some() => "unreachable",
        _ => "",
    };
    vec![
        server.address.clone(),
        server::version(server),
        role.to_owned(),
        used.map_or_else(|| text("used_memory_human"), format::bytes),
        server.keys.map(|keys| keys.to_string()).unwrap_or_default(),
        round_trip(0.5),
        round_trip(0.99),
    ]
}
