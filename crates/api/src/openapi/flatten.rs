//! Types that hold one of several others beside fields of their own (`#[serde(flatten)]` of an enumeration) come out as
//! "all of: one of these objects; this object", and a variant that holds a type of its own as "all of: that type; the tag".
//! Generators of clients understand neither. Here they become what they are on the wire: one of these objects, each with all
//! of its fields.

use utoipa::openapi::schema::{AllOf, ArrayItems, Object, OneOf, Schema};
use utoipa::openapi::{Components, Ref, RefOr};

/// Has pages of a list name the type of their items, which the derived schemas repeat in each.
pub(super) fn name_items(components: &mut Components) {
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let Some(item) = name.strip_prefix("Page_").filter(|item| names.iter().any(|name| name == item)) else {
            continue;
        };
        if let RefOr::T(Schema::Object(page)) = schema
            && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(RefOr::Ref(Ref::from_schema_name(item))));
        }
    }
}

/// Rewrites all such schemas.
pub(super) fn flatten(components: &mut Components) {
    let flat: Vec<(String, Schema)> = components
        .schemas
        .iter()
        .filter_map(|(name, schema)| match schema {
            RefOr::T(Schema::AllOf(all)) => Some((name.clone(), flattened(all, components)?)),
            RefOr::T(Schema::OneOf(choice)) => Some((name.clone(), tagged(choice, components)?)),
            _ => None,
        })
        .collect();
    for (name, schema) in flat {
        components.schemas.insert(name, RefOr::T(schema));
    }
}

fn flattened(all: &AllOf, components: &Components) -> Option<Schema> {
    let [first, second] = all.items.as_slice() else { return None };
    let (Schema::OneOf(choice), Schema::Object(fields)) = (resolve(first, components)?, resolve(second, components)?)
    else {
        return None;
    };
    let mut flat = OneOf::new();
    flat.description = all.description.clone();
    for item in &choice.items {
        let Schema::Object(object) = resolve(item, components)? else { return None };
        flat.items.push(RefOr::T(Schema::Object(with_fields(object.clone(), fields))));
    }
    Some(Schema::OneOf(flat))
}

/// A choice between objects of which some have their tag beside the fields of a type of their own: "all of: that type; the
/// tag". None when there is no such one in it.
fn tagged(choice: &OneOf, components: &Components) -> Option<Schema> {
    let mut flat = choice.clone();
    let mut found = false;
    for item in &mut flat.items {
        let RefOr::T(Schema::AllOf(all)) = &*item else { continue };
        let [first, second] = all.items.as_slice() else { continue };
        if let (Some(Schema::Object(object)), Some(Schema::Object(tag))) =
            (resolve(first, components), resolve(second, components))
        {
            let mut object = with_fields(object.clone(), tag);
            object.description.clone_from(&all.description);
            *item = RefOr::T(Schema::Object(object));
            found = true;
        }
    }
    found.then_some(Schema::OneOf(flat))
}

fn with_fields(mut object: Object, fields: &Object) -> Object {
    object.properties.extend(fields.properties.clone());
    object.required.extend(fields.required.clone());
    object
}

fn resolve<'a>(schema: &'a RefOr<Schema>, components: &'a Components) -> Option<&'a Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.strip_prefix("#/components/schemas/")?;
            match components.schemas.get(name)? {
                RefOr::T(schema) => Some(schema),
                RefOr::Ref(_) => None,
            }
        }
    }
}
