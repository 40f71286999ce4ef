//! Which roles the provider's word gives. Who has none of the values gets no role, and without a role nobody gets in.

use std::str::FromStr;

use domain::access::Role;
use serde_json::Value;

/// One line of the mapping, written `VALUE=ROLE` or `VALUE=ROLE@PROJECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMapping {
    /// The value of the claim.
    pub value: String,
    pub role: Role,
    /// The project's name; none for all datastores and everything global.
    pub project: Option<String>,
}

impl FromStr for RoleMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "must be VALUE=ROLE or VALUE=ROLE@PROJECT, the role viewer, operator or administrator".to_owned();
        // Values may hold "=", as the names of directories do; roles don't.
        let (value, rest) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (role, project) = match rest.split_once('@') {
            Some((role, project)) => (role, Some(project.to_owned())),
            None => (rest, None),
        };
        if value.is_empty() || project.as_deref() == Some("") {
            return Err(wrong());
        }
        let role = serde_json::from_value(Value::from(role)).map_err(|_| wrong())?;
        Ok(Self { value: value.to_owned(), role, project })
    }
}

/// The mappings whose value the claim has.
pub(crate) fn granted<'a>(mappings: &'a [RoleMapping], values: &[String]) -> Vec<&'a RoleMapping> {
    mappings.iter().filter(|mapping| values.contains(&mapping.value)).collect()
}

/// The values of a claim, which is a text or a list of texts. `path` is its name, or leads to it by dots.
pub(crate) fn values_of(claims: &Value, path: &str) -> Option<Vec<String>> {
    let deeper = || path.split('.').try_fold(claims, |claims, name| claims.get(name));
    let found = claims.get(path).or_else(deeper)?;
    Some(match found {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mappings_are_read() {
        let mapping: RoleMapping = "cn=dba,ou=groups=operator@shop".parse().unwrap();
        assert_eq!((mapping.value.as_str(), mapping.role), ("cn=dba,ou=groups", Role::Operator));
        assert_eq!(mapping.project.as_deref(), Some("shop"));
        let mapping: RoleMapping = "admins=administrator".parse().unwrap();
        assert_eq!((mapping.role, mapping.project), (Role::Administrator, None));
        for bad in ["", "admins", "admins=", "admins=root", "=viewer", "a=viewer@"] {
            assert!(bad.parse::<RoleMapping>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_values_of_the_claim_give_roles() {
        let mappings: Vec<RoleMapping> =
            ["admins=administrator", "dba=operator@shop", "dba=viewer"].map(|text| text.parse().unwrap()).into();
        let claims = json!({"groups": ["dba", 7, null], "realm": {"roles": "admins"}, "a.b": ["x"], "n": 5});
        let roles = |path: &str| {
            values_of(&claims, path)
                .map(|values| granted(&mappings, &values).iter().map(|mapping| mapping.role).collect::<Vec<_>>())
        };
        assert_eq!(roles("groups"), Some(vec![Role::Operator, Role::Viewer]));
        assert_eq!(roles("realm.roles"), Some(vec![Role::Administrator]));
        assert_eq!((roles("a.b"), roles("n"), roles("realm")), (Some(vec![]), Some(vec![]), Some(vec![])));
        assert_eq!((roles("nothing"), roles("realm.nothing")), (None, None));
    }
}
