//! A tenant's own services at the tenants' doors: to everybody else there is no service of that name.

use anyhow::Result;
use micro_isolation::{
    callers::{Hostile, Who},
    doors::{Door, Doors, Question},
    rows::Missing,
    victim::Victim,
};
use micro_rpc::MethodKind;
use serde_json::json;

use crate::table::of_unknown;

const ENDPOINTS: [(&str, &str); 6] = [
    ("Known", "Call"),
    ("Greeter", "Hello"),
    ("Debug", "Health"),
    ("Debug", "Stats"),
    ("Debug", "Log"),
    ("Debug", "Trace"),
];

/// Calls the victim's services by name, those that are known and those that are not.
pub async fn try_all(doors: &Doors, victim: &Victim, hostiles: &[Hostile]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    // Members may call what is their namespace's.
    for hostile in hostiles.iter().filter(|hostile| hostile.who != Who::FewerScopes) {
        for service in victim.services() {
            for (handler, method) in ENDPOINTS {
                for door in [Door::Grpc, Door::Http] {
                    let question = Question {
                        service: service.clone(),
                        handler: handler.into(),
                        method: method.into(),
                        kind: MethodKind::Unary,
                        body: json!({}),
                        may_stream: false,
                    };
                    let answer = doors.ask(door, &question, &hostile.shown).await?;
                    let unknown = of_unknown(doors, door, hostile, &question, Missing::Service).await?;
                    // The names that were asked for are repeated.
                    let told = answer.text.replace(&service, "");
                    let wrong = answer != unknown || victim.canaries.iter().any(|c| c.sings_in(&told));
                    faults.extend(wrong.then(|| {
                        format!(
                            "{:?} at {door:?}, {service}.{handler}/{method}: {answer:?}, but of what does not exist {unknown:?}",
                            hostile.who
                        )
                    }));
                }
            }
        }
    }
    Ok(faults)
}
