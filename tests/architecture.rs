//! The order of the modules, read from their `use` lines: a lower floor uses no higher one, and in no folder do modules use
//! each other in a circle. CONTRIBUTING.md says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The top-level modules from below, those of one floor together. A module may use those of lower floors and none of its own.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["geometry", "random", "simd", "whole_file"],
    &["bootstrap", "points"],
    &["device"],
    &["ops"],
    &["data", "figure"],
    &["measure"],
    &["nn"],
    &["attack", "represent"],
    &["report"],
    &["study"],
];

/// Modules by their paths: the crate's own is empty.
type Modules = BTreeMap<Vec<String>, String>;

#[test]
fn floors_hold() {
    let faults = faults(&modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Each kind of fault is seen where it is planted.
#[test]
fn planted_faults_are_seen() {
    let found = |files: &[(&str, &str)]| {
        let modules = files.iter().map(|(path, text)| (names(path), (*text).to_owned()));
        faults(&modules.collect()).join("\n")
    };
    let up =
        found(&[("ops", "use crate::{Error,\n    nn::Plan};"), ("nn", "pub struct Plan;"), ("error", "")]);
    assert!(up.contains("ops uses nn") && up.contains("crate::nn::Plan"), "{up}");
    let beside = found(&[("attack", "fn f() { crate::represent::g() }"), ("represent", "pub fn g() {}")]);
    assert!(beside.contains("attack uses represent"), "{beside}");
    let unknown = found(&[("fresh", "")]);
    assert!(unknown.contains("fresh is on no floor"), "{unknown}");
    // By way of what their folder's module hands out.
    let circle = found(&[
        ("nn", "mod plan; mod program; pub use plan::Plan; pub use program::*;"),
        ("nn/plan", "use super::Program;\npub struct Plan;"),
        ("nn/program", "use super::Plan;\npub struct Program;"),
    ]);
    assert!(circle.contains("nn: a circle of plan, program"), "{circle}");
    // Whole folders count as one.
    let folders = found(&[
        ("ops/a", ""),
        ("ops/a/deep", "use crate::ops::b::x;"),
        ("ops/b", "pub mod x;"),
        ("ops/b/x", ""),
        ("ops/b/y", "pub(crate) use crate::ops::a;"),
    ]);
    assert!(folders.contains("ops: a circle of a, b"), "{folders}");
    let fine = found(&[
        ("nn", "use crate::ops::relu; // use crate::study;\n#[cfg(test)]\nmod tests { use crate::study; }"),
        ("ops", "mod relu;"),
        ("ops/relu", "/// [`crate::nn`]\nfn f() {}"),
        ("study", ""),
    ]);
    assert_eq!(fine, "");
}

fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The files of a folder as modules, but for tests.
fn modules(root: &Path) -> Modules {
    let mut found = Modules::new();
    let mut folders = vec![(root.to_owned(), Vec::new())];
    while let Some((folder, path)) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let file = entry.expect("an entry").path();
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let mut own: Vec<String> = path.clone();
            if file.is_dir() {
                own.push(name);
                folders.push((file, own));
            } else if name != "tests" && file.extension().is_some_and(|ending| ending == "rs") {
                if !["mod", "lib"].contains(&name.as_str()) {
                    own.push(name);
                }
                found.insert(own, fs::read_to_string(&file).expect("UTF-8"));
            }
        }
    }
    found
}

/// What is wrong with the order of these modules, a line for each.
fn faults(modules: &Modules) -> Vec<String> {
    let code: BTreeMap<&Vec<String>, Code> =
        modules.iter().map(|(module, text)| (module, Code::new(text))).collect();
    let mut faults = Vec::new();
    // By folder: which of its modules uses which, and the first line that says so.
    let mut uses: BTreeMap<&[String], BTreeMap<(&str, &str), String>> = BTreeMap::new();
    for (module, own) in &code {
        for path in &own.paths {
            let Some(used) = absolute(module, path, &code).map(|path| resolved(&path, &code, 0)) else {
                continue;
            };
            let shared = module.iter().zip(used).take_while(|(a, b)| a == b).count();
            // Folders and what is in them are one.
            if let (Some(from), Some(to)) = (module.get(shared), used.get(shared)) {
                let line = format!("{}: {}", module.join("::"), path.join("::"));
                uses.entry(&module[..shared]).or_default().entry((from, to)).or_insert(line);
            }
        }
    }
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let top: BTreeSet<&String> = modules.keys().filter_map(|path| path.first()).collect();
    faults.extend(
        top.iter()
            .filter(|name| floor(name).is_none())
            .map(|name| format!("{name} is on no floor: add it to FLOORS")),
    );
    for ((from, to), line) in uses.get(&[][..]).into_iter().flatten() {
        if floor(from) <= floor(to) {
            faults.push(format!("{from} uses {to}, which is on no lower floor ({line})"));
        }
    }
    for (folder, edges) in uses.iter().filter(|(folder, _)| !folder.is_empty()) {
        let circle = circle(edges.keys().copied());
        if !circle.is_empty() {
            let mut fault = format!(
                "{}: a circle of {}",
                folder.join("::"),
                circle.iter().copied().collect::<Vec<_>>().join(", ")
            );
            for ((from, to), line) in
                edges.iter().filter(|((a, b), _)| circle.contains(a) && circle.contains(b))
            {
                write!(fault, "\n    {from} uses {to} ({line})").expect("a string takes it");
            }
            faults.push(fault);
        }
    }
    faults
}

/// What is in circles, or leads from one to another: what is left when all that uses nothing, or is used by nothing, is taken away.
fn circle<'a>(edges: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<&'a str> {
    let mut edges: Vec<_> = edges.collect();
    loop {
        let (users, used): (BTreeSet<_>, BTreeSet<_>) = edges.iter().copied().unzip();
        let before = edges.len();
        edges.retain(|(from, to)| used.contains(from) && users.contains(to));
        if edges.len() == before {
            return users;
        }
    }
}

/// A module's text, without comments and tests, and the paths in it.
struct Code {
    text: String,
    paths: Vec<Vec<String>>,
    /// Those that it hands on: `pub use`, of any kind.
    handed_on: Vec<Vec<String>>,
}

impl Code {
    fn new(text: &str) -> Self {
        let lines = text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at]));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        // Tests stand last in a file.
        if let Some(at) = text.find("#[cfg(test)]\nmod ") {
            text.truncate(at);
        }
        let (mut paths, mut handed_on) = (Vec::new(), Vec::new());
        let mut rest = text.as_str();
        while let Some(at) = rest.find("use ") {
            let before = rest[..at].rsplit(['\n', ';', '{', '}']).next().unwrap_or_default().trim();
            rest = &rest[at + 4..];
            if !(before.is_empty() || before.starts_with("pub") || before.ends_with(']')) {
                continue;
            }
            let tree: String = rest.chars().take_while(|c| *c != ';').collect();
            let own = expanded(&tree.split_whitespace().collect::<Vec<_>>().join(" "));
            if before.contains("pub") {
                handed_on.extend(own.iter().cloned());
            }
            paths.extend(own);
        }
        for start in ["crate::", "super::"] {
            for (at, _) in text.match_indices(start) {
                let path = text[at..].split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).next();
                let path = path.unwrap_or_default().trim_end_matches(':');
                // Of `super::super::x` only from its beginning.
                let inside = text[..at].ends_with("::") || text[..at].ends_with('$');
                if !inside && path.contains("::") {
                    paths.push(path.split("::").map(str::to_owned).collect());
                }
            }
        }
        Code { text, paths, handed_on }
    }

    fn defines(&self, name: &str) -> bool {
        let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "macro_rules!"];
        kinds.iter().any(|kind| {
            let start = format!("{kind} {name}");
            self.text.match_indices(&start).any(|(at, _)| {
                let after = self.text[at + start.len()..].chars().next();
                !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        })
    }
}

/// The paths of a `use` tree: `a::{b, c::d}` has `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return if path.is_empty() {
            Vec::new()
        } else {
            vec![path.split("::").map(|name| name.trim().to_owned()).collect()]
        };
    };
    let start = names(&tree[..open].replace("::", "/").replace(' ', ""));
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("one at least").push(c);
        }
    }
    let each = parts.iter().flat_map(|part| expanded(part));
    each.map(|rest| [start.clone(), rest].concat()).collect()
}

/// A path from the crate on; `None` for other crates'.
fn absolute(module: &[String], path: &[String], code: &BTreeMap<&Vec<String>, Code>) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()),
        first => {
            let child = [module, &[first.to_owned()]].concat();
            code.contains_key(&child).then(|| [module, path].concat())
        }
    }
}

/// The module where what a path leads to is written, through all that hands it on.
fn resolved<'a>(path: &[String], code: &BTreeMap<&'a Vec<String>, Code>, depth: usize) -> &'a [String] {
    static CRATE: &[String] = &[];
    let path: Vec<String> = path.iter().filter(|name| *name != "self").cloned().collect();
    let known =
        (0..=path.len()).rev().find_map(|len| code.get_key_value(&path[..len].to_vec()).map(|it| (len, it)));
    let Some((len, (module, own))) = known else { return CRATE };
    // Other crates' items can be handed on in a ring; ours are not so deep.
    let Some(item) = path.get(len).filter(|item| *item != "*" && depth < 8) else { return module };
    for handed in &own.handed_on {
        let Some(from) = absolute(module, handed, code) else { continue };
        let Some((last, folder)) = from.split_last() else { continue };
        if last == item && from != path {
            return resolved(&[&from, &path[len + 1..]].concat(), code, depth + 1);
        }
        if last == "*" && code.get(&folder.to_vec()).is_some_and(|code| code.defines(item)) {
            return resolved(&[folder, &path[len..]].concat(), code, depth + 1);
        }
    }
    module
}
