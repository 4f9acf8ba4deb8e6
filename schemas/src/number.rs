//! How values of JSON are read where serde's own way would be vague or too lax: whole numbers, times, flags that may
//! be null, and objects that serde would also take as arrays.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::wire::WireTime;

/// Beyond 2^53 a float no longer names one whole number.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// A float that is a whole number: in JSON, `1.0`, `1e0` and `1` are the same number.
pub(crate) fn whole_of_float(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= EXACT_FLOAT_MAX).then_some(value as i64)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::custom("a number beyond 64 bits"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        whole_of_float(value).ok_or_else(|| E::custom("not a whole number"))
    }
}

struct Nullable<V>(V);

impl<'de, V: Visitor<'de, Value = i64>> Visitor<'de> for Nullable<V> {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.0.visit_i64(value).map(Some)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.0.visit_u64(value).map(Some)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.0.visit_f64(value).map(Some)
    }
}

pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    from.deserialize_any(Nullable(Whole))
}

/// The wire version: one that does not fit is a version that nobody knows, which the check says better than serde.
pub(crate) fn version<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(whole(from)?.map(|v| u32::try_from(v).unwrap_or(u32::MAX)))
}

/// Null is absent, as it is for every other field.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(from).map(Option::unwrap_or_default)
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Time;
        impl Visitor<'_> for Time {
            type Value = WireTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<WireTime, E> {
                Ok(WireTime::Ms(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<WireTime, E> {
                Whole.visit_u64(value).map(WireTime::Ms)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<WireTime, E> {
                Whole.visit_f64(value).map(WireTime::Ms)
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<WireTime, E> {
                Ok(WireTime::Text(value.to_owned()))
            }

            fn visit_string<E: Error>(self, value: String) -> Result<WireTime, E> {
                Ok(WireTime::Text(value))
            }
        }
        from.deserialize_any(Time)
    }
}

/// An object and nothing else: serde's derived structs would also read their fields from an array, by position.
pub(crate) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Only<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Only<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(Only(PhantomData))
    }
}

pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let objects: Option<Vec<Object<T>>> = Option::deserialize(from)?;
    Ok(objects.map(|all| all.into_iter().map(|Object(one)| one).collect()))
}

/// A value that is allowed and dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Ignored)
    }
}
