//! Short names for the plain shapes that parameters and answers are made of.

use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType};
use utoipa::openapi::{Ref, RefOr, Type};

pub(super) type Shape = RefOr<Schema>;

pub(super) fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

pub(super) fn text() -> ObjectBuilder {
    of(Type::String)
}

pub(super) fn truth() -> ObjectBuilder {
    of(Type::Boolean)
}

/// Calibrated: 0 to 1.
pub(super) fn score() -> ObjectBuilder {
    of(Type::Number).minimum(Some(0)).maximum(Some(1))
}

pub(super) fn moment() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

pub(super) fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}

pub(super) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    text().enum_values(Some(words))
}

/// This, or null.
pub(super) fn or_null(kind: Type) -> SchemaType {
    [kind, Type::Null].into_iter().collect()
}

pub(super) fn list(of: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::new().items(of.into())
}

/// An object that has all of these.
pub(super) fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Shape)>) -> ObjectBuilder {
    properties.into_iter().fold(of(Type::Object), |object, (name, shape)| object.property(name, shape).required(name))
}

/// A schema among the components.
pub(super) fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}
