//! `micro account usage`.

use micro_proto::auth::{LimitUse, Options, Usage, UsageRequest};
use serde::Serialize;

use crate::{
    ctx::Ctx,
    exit::{Exit, Result},
    table::{self, Fill},
};

/// Print every limit, and how much of it is in use
///
/// Errors name the limit that was reached. Some hold for one request, file or instance: of these nothing is in use.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  micro account usage\n  micro account usage --output json")]
pub struct Args {
    /// The namespace, by default the current one
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    let session = ctx.logged_in().await?;
    let namespace = args.namespace.unwrap_or_else(|| session.namespace.clone());
    let request = UsageRequest {
        options: Some(Options { namespace }),
    };
    let limits = session
        .usage()
        .read(&session.caller(), request)
        .await
        .map_err(|e| session.explain(&e))?
        .limits;
    if ctx.out.json() {
        ctx.out.value(&limits.iter().map(Shown::from).collect::<Vec<_>>())?;
    } else {
        ctx.out.raw(&text(&limits));
    }
    Ok(Exit::Done)
}

fn text(limits: &[LimitUse]) -> String {
    let header = ["LIMIT", "USED", "MAX", "COUNTED BY"].map(str::to_owned).to_vec();
    let row = |limit: &LimitUse| {
        vec![
            limit.name.clone(),
            limit.used.map_or_else(|| "-".into(), |used| amount(used, &limit.unit)),
            amount(limit.max, &limit.unit),
            if limit.service.is_empty() {
                "-".into()
            } else {
                limit.service.clone()
            },
        ]
    };
    let rows: Vec<_> = std::iter::once(header).chain(limits.iter().map(row)).collect();
    table::render(&rows, Fill::Spaces(3))
}

/// A number as people read it.
fn amount(number: u64, unit: &str) -> String {
    const STEPS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match unit {
        "bytes" => match STEPS.iter().find(|(step, _)| number >= *step) {
            Some((step, name)) if number.is_multiple_of(*step) => format!("{} {name}", number / step),
            Some((step, name)) => {
                let tenths = u128::from(number) * 10 / u128::from(*step);
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => format!("{number} B"),
        },
        "seconds" => format!("{number} s"),
        "a second" => format!("{number}/s"),
        _ => number.to_string(),
    }
}

/// A limit for programs: exact, and null where nothing is counted.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    service: Option<&'a str>,
    used: Option<u64>,
    max: u64,
    unit: Option<&'a str>,
}

impl<'a> From<&'a LimitUse> for Shown<'a> {
    fn from(limit: &'a LimitUse) -> Self {
        let given = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        Self {
            name: &limit.name,
            service: given(&limit.service),
            used: limit.used,
            max: limit.max,
            unit: given(&limit.unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_never_more_than_there_is() {
        for (number, unit, shown) in [
            (0, "bytes", "0 B"),
            (1_023, "bytes", "1023 B"),
            (1 << 20, "bytes", "1 MiB"),
            ((1 << 20) - 1, "bytes", "1023.9 KiB"),
            (5 << 30, "bytes", "5 GiB"),
            (u64::MAX, "bytes", "17179869183.9 GiB"),
            (600, "seconds", "600 s"),
            (2_000, "a second", "2000/s"),
            (20, "", "20"),
        ] {
            assert_eq!(amount(number, unit), shown);
        }
    }

    #[test]
    fn what_is_not_counted_has_a_dash() {
        let limit = |name: &str, service: &str, used, unit: &str| LimitUse {
            name: name.into(),
            service: service.into(),
            used,
            max: 2_048,
            unit: unit.into(),
        };
        let limits = [
            limit("accounts", "auth", Some(3), ""),
            limit("value.bytes", "", None, "bytes"),
        ];
        assert_eq!(
            text(&limits),
            "LIMIT         USED   MAX     COUNTED BY\n\
             accounts      3      2048    auth\n\
             value.bytes   -      2 KiB   -\n"
        );
    }
}
