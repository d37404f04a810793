//! The shape of a request type, found out by deserializing it from nothing: each field a type asks for is
//! noted. That is what `micro greeter hello --help` lists, without a derive or a build step.

use std::fmt;

use serde::{
    Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, MapAccess, Visitor},
};

/// Micro's description of a value: name, type, and fields (registry's `Value`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Value {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// Types nested deeper than this are listed without their fields.
const MAX_DEPTH: usize = 6;

/// The shape of `T`; just its name where it cannot be found out (an enum, a map with required content).
pub(crate) fn of<T: DeserializeOwned>() -> Value {
    let mut shape = named::<T>();
    // Types with rules of their own may refuse the empty values offered here; what was noted until then stands.
    T::deserialize(Tracer {
        shape: &mut shape,
        depth: 0,
    })
    .ok();
    Value {
        kind: shape.name.clone(),
        ..shape
    }
}

/// A type by its name alone: all there is to say of one that is only serialized.
pub(crate) fn named<T>() -> Value {
    let name = std::any::type_name::<T>().split('<').next().unwrap_or_default();
    let name = name.rsplit("::").next().unwrap_or_default().to_owned();
    Value {
        kind: name.clone(),
        name,
        values: vec![],
    }
}

#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shape cannot be followed further")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Answers every question with an empty value, and notes the question.
struct Tracer<'s> {
    shape: &'s mut Value,
    depth: usize,
}

macro_rules! scalars {
    ($($method:ident $kind:literal $visit:ident $empty:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.shape.kind = $kind.into();
            visitor.$visit($empty)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    scalars! {
        deserialize_bool "bool" visit_bool false;
        deserialize_i8 "int32" visit_i8 0;
        deserialize_i16 "int32" visit_i16 0;
        deserialize_i32 "int32" visit_i32 0;
        deserialize_i64 "int64" visit_i64 0;
        deserialize_u8 "uint32" visit_u8 0;
        deserialize_u16 "uint32" visit_u16 0;
        deserialize_u32 "uint32" visit_u32 0;
        deserialize_u64 "uint64" visit_u64 0;
        deserialize_f32 "float32" visit_f32 0.0;
        deserialize_f64 "float64" visit_f64 0.0;
        deserialize_char "string" visit_char ' ';
        deserialize_str "string" visit_str "";
        deserialize_string "string" visit_str "";
        deserialize_bytes "[]uint8" visit_bytes &[];
        deserialize_byte_buf "[]uint8" visit_bytes &[];
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.shape.kind = "any".into();
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.shape.kind = name.into();
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let mut item = Value::default();
        let seen = visitor.visit_seq(OneItem {
            item: Some(&mut item),
            depth: self.depth + 1,
        });
        self.shape.kind = format!("[]{}", if item.kind.is_empty() { "any" } else { &item.kind });
        seen
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.shape.kind = "map[string]any".into();
        visitor.visit_map(Fields {
            names: &[],
            at: 0,
            into: None,
            depth: self.depth,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.shape.kind = name.into();
        if self.depth >= MAX_DEPTH {
            return Err(Stop);
        }
        visitor.visit_map(Fields {
            names,
            at: 0,
            into: Some(&mut self.shape.values),
            depth: self.depth,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        self.shape.kind = "string".into();
        Err(Stop)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_str("")
    }
}

/// The fields of one struct, offered one after the other.
struct Fields<'s> {
    names: &'static [&'static str],
    at: usize,
    into: Option<&'s mut Vec<Value>>,
    depth: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        match self.names.get(self.at) {
            Some(name) => seed.deserialize(de::value::StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let mut field = Value {
            name: self.names[self.at].into(),
            ..Value::default()
        };
        self.at += 1;
        let seen = seed.deserialize(Tracer {
            shape: &mut field,
            depth: self.depth + 1,
        });
        if let Some(into) = &mut self.into {
            into.push(field);
        }
        seen
    }
}

/// One item of a list, then its end.
struct OneItem<'s> {
    item: Option<&'s mut Value>,
    depth: usize,
}

impl<'de> de::SeqAccess<'de> for OneItem<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        match self.item.take() {
            Some(shape) => seed
                .deserialize(Tracer {
                    shape,
                    depth: self.depth,
                })
                .map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Inner {
        ttl: i64,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Request {
        name: String,
        #[serde(rename = "many")]
        lots: Vec<String>,
        maybe: Option<u32>,
        inner: Inner,
        tags: HashMap<String, String>,
    }

    #[test]
    fn a_struct_lists_its_fields_as_serde_names_them() {
        let shape = of::<Request>();
        assert_eq!((shape.name.as_str(), shape.kind.as_str()), ("Request", "Request"));
        let fields: Vec<_> = shape
            .values
            .iter()
            .map(|v| (v.name.as_str(), v.kind.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("name", "string"),
                ("many", "[]string"),
                ("maybe", "uint32"),
                ("inner", "Inner"),
                ("tags", "map[string]any")
            ]
        );
        assert_eq!(
            shape.values[3].values,
            [Value {
                name: "ttl".into(),
                kind: "int64".into(),
                values: vec![]
            }]
        );
    }

    #[test]
    fn a_type_that_refuses_emptiness_keeps_what_was_seen() {
        #[derive(Deserialize)]
        enum Colour {
            Red,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Paint {
            width: f64,
            colour: Colour,
        }
        let kinds: Vec<_> = of::<Paint>().values.into_iter().map(|v| v.kind).collect();
        assert_eq!(kinds, ["float64", "string"]);
    }

    #[test]
    fn a_recursive_type_ends() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Tree {
            next: Option<Box<Tree>>,
        }
        assert_eq!(of::<Tree>().values.len(), 1);
    }
}
