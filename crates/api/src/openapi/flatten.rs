//! Types that hold one of several others beside fields of their own (`#[serde(flatten)]` of an enumeration) come out as
//! "all of: one of these objects; this object", which generators of clients don't understand. Here they become what they
//! are on the wire: one of these objects, each with those fields too.

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
