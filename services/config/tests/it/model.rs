//! Any history of changes, compared with what plain JSON values would be after it.

use micro_tenancy::Caller;
use proptest::{collection, prelude::*};
use serde_json::{Map, Value};

use crate::world::{World, admin};

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<String>, Value),
    Delete(Vec<String>),
}

/// Set and delete on plain values: the same rules, in the fewest words.
#[derive(Default)]
struct Model(Option<Value>);

struct Refused;

impl Model {
    fn make(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Set(path, value) => {
                if path.is_empty() && !value.is_object() || self.crosses_array(path) {
                    return Err(Refused);
                }
                let wrap = |value, name: &String| Value::Object(Map::from_iter([(name.clone(), value)]));
                let whole = path.iter().rev().fold(value.clone(), wrap);
                merge(self.0.get_or_insert_with(|| Value::Object(Map::new())), whole);
            }
            Change::Delete(path) if self.0.is_none() || self.crosses_array(path) => return Err(Refused),
            Change::Delete(path) => match path.split_last() {
                None => self.0 = None,
                Some((last, names)) => {
                    let mut at = self.0.as_mut();
                    for name in names {
                        at = at.and_then(|value| value.get_mut(name));
                    }
                    if let Some(Value::Object(parts)) = at {
                        parts.remove(last);
                    }
                }
            },
        }
        Ok(())
    }

    fn get(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(self.0.as_ref()?, |value, name| match value {
            Value::Array(parts) => parts.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        })
    }

    fn crosses_array(&self, path: &[String]) -> bool {
        (1..path.len()).any(|length| self.objects_to(&path[..length]).is_some_and(Value::is_array))
    }

    /// What is at a path of objects only.
    fn objects_to(&self, path: &[String]) -> Option<&Value> {
        path.iter()
            .try_fold(self.0.as_ref()?, |value, name| value.as_object()?.get(name))
    }
}

fn merge(into: &mut Value, value: Value) {
    match (into, value) {
        (Value::Object(into), Value::Object(parts)) => {
            for (name, part) in parts {
                merge(into.entry(name).or_insert(Value::Null), part);
            }
        }
        (into, value) => *into = value,
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]",
        Just("0".to_owned()),
        Just("1".to_owned()),
        Just("é \"\\".to_owned())
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z \"\\\\\n{}\\[\\]é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            collection::btree_map(name(), inner, 0..3).prop_map(|parts| Value::Object(parts.into_iter().collect())),
        ]
    })
}

fn path(least: usize) -> impl Strategy<Value = Vec<String>> {
    collection::vec(name(), least..4)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (path(0), value()).prop_map(|(path, value)| Change::Set(path, value)),
        1 => path(0).prop_map(Change::Delete),
    ]
}

async fn make(world: &World, caller: &Caller, change: &Change, secret: bool) -> bool {
    let done = match change {
        Change::Set(path, value) if secret => world.set_secret(caller, &path.join("."), &value.to_string()).await,
        Change::Set(path, value) => world.set(caller, &path.join("."), &value.to_string()).await,
        Change::Delete(path) => world.delete(caller, &path.join(".")).await,
    };
    done.is_ok()
}

async fn json(world: &World, caller: &Caller, path: &[String]) -> Option<Value> {
    let text = world.get_secret(caller, &path.join(".")).await.ok()?;
    Some(serde_json::from_str(&text).expect("what is read is JSON"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_what_plain_json_would_be(
        changes in collection::vec(change(), 1..14),
        asked in collection::vec(path(0), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, ada) = (World::new(), admin("ada-ns"));
            let mut model = Model::default();
            for change in &changes {
                prop_assert_eq!(make(&world, &ada, change, false).await, model.make(change).is_ok(), "{:?}", change);
                prop_assert_eq!(json(&world, &ada, &[]).await, model.0.clone());
            }
            for path in &asked {
                let expected = model.0.as_ref().map(|_| model.get(path).cloned().unwrap_or(Value::Null));
                prop_assert_eq!(json(&world, &ada, path).await, expected, "{:?}", path);
            }
            Ok(())
        })?;
    }

    #[test]
    fn secrets_read_back_as_they_were_set(path in path(1), value in value()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, ada) = (World::new(), admin("ada-ns"));
            prop_assert!(make(&world, &ada, &Change::Set(path.clone(), value.clone()), true).await);
            prop_assert_eq!(json(&world, &ada, &path).await, Some(value));
            Ok(())
        })?;
    }
}
