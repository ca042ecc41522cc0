//! Nested templates: `AWS::Serverless::Application` and `AWS::CloudFormation::Stack` with a local path.
//!
//! A nested template is resolved when its resources or one of its outputs are first needed. Its parameters are evaluated by the
//! template around it, secrets and all; its resources join that template under logical ids that begin with the nested stack's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine::contract::quoted;
use engine::yaml::{Node, Span, Value};

use super::path::{folder_of, join, local_path};
use super::{Input, Parts, outside, read_template};
use crate::intrinsics::{Context, Nest, Resolved, Resolver, Stacks, references};
use crate::parameters::{self, Bound};
use crate::report::{Level, Read, Reported, TemplateFinding, TemplateRule};
use crate::template::{Resource, Template, unknown_name};
use crate::text::Text;

/// Templates inside of each other.
const MAX_DEPTH: usize = 8;

/// The nested templates of one template.
pub(super) struct Nested<'i> {
    input: &'i Input<'i>,
    /// The files from the outermost template to this one, as seen from the outermost one's folder.
    files: Vec<String>,
    /// How the outermost template's file is shown.
    shown: String,
    done: RefCell<BTreeMap<String, Once>>,
    /// What was found in them.
    findings: RefCell<Vec<TemplateFinding>>,
}

#[derive(Clone)]
enum Once {
    /// It is needed to work it out.
    Begun,
    Done(Read<Option<Rc<Stack>>>),
}

/// A nested template that was resolved.
struct Stack {
    parts: RefCell<Parts>,
    outputs: BTreeMap<String, Read<Option<Text>>>,
}

impl<'i> Nested<'i> {
    /// Of the outermost template.
    pub(super) fn of(input: &'i Input<'i>, template: &Template<'_>) -> Self {
        let file = template.file();
        Self {
            input,
            files: vec![file.rsplit('/').next().unwrap_or(file).to_owned()],
            shown: file.to_owned(),
            done: RefCell::default(),
            findings: RefCell::default(),
        }
    }

    /// What was found in the nested templates.
    pub(super) fn findings(&self) -> Vec<TemplateFinding> {
        self.findings.take()
    }

    /// Reads a nested template; what is in it becomes a part of the whole.
    pub(super) fn read(&self, context: &Context<'_>, resource: &Resource<'_>, parts: &mut Parts) {
        if let Ok(Some(stack)) = self.stack(context, resource) {
            parts.append(stack.parts.take());
            let message = format!(
                "its resources are a part of the artifact; their logical ids begin with `{}`",
                context.logical_id(resource.id)
            );
            let (level, rule, span) = (Level::Note, TemplateRule::NoEffect, resource.span);
            let subject = resource.subject();
            context
                .findings()
                .note(level, rule, &subject, span, message, None);
        }
    }

    fn stack(&self, context: &Context<'_>, resource: &Resource<'_>) -> Read<Option<Rc<Stack>>> {
        let known = self.done.borrow().get(resource.id).cloned();
        match known {
            Some(Once::Done(stack)) => stack,
            Some(Once::Begun) => {
                let own = context.resolver(resource.subject());
                let message = format!("the nested stack `{}` needs its own outputs", resource.id);
                Err(own.error(TemplateRule::Cycle, resource.span, message))
            }
            None => {
                let keep = |state| {
                    let mut done = self.done.borrow_mut();
                    done.insert(resource.id.to_owned(), state);
                };
                keep(Once::Begun);
                let stack = self.work_out(context, resource);
                keep(Once::Done(stack.clone()));
                stack
            }
        }
    }

    fn work_out(&self, context: &Context<'_>, resource: &Resource<'_>) -> Read<Option<Rc<Stack>>> {
        let own = context.resolver(resource.subject());
        let Some((path, span)) = location(context, &own, resource)? else {
            return Ok(None);
        };
        let refuse = |why: String| own.error(TemplateRule::NestedTemplate, span, why);
        if self.files.len() > MAX_DEPTH {
            let why = format!("templates are nested more than {MAX_DEPTH} deep");
            return Err(refuse(why));
        }
        if self.files.contains(&path) {
            return Err(refuse(format!(
                "the template {} nests itself",
                quoted(&path)
            )));
        }
        let Some(files) = self.input.files else {
            let why = "no file beside the template is read here";
            return Err(refuse(why.to_owned()));
        };
        let text = files
            .read(&path)
            .map_err(|why| refuse(format!("cannot read {}: {why}", quoted(&path))))?;
        let shown = join(folder_of(&self.shown), &path);
        let inner = Self {
            input: self.input,
            files: self.files.iter().cloned().chain([path.clone()]).collect(),
            shown: self.shown.clone(),
            done: RefCell::default(),
            findings: RefCell::default(),
        };
        let wrong = || refuse(format!("the template {} has errors", quoted(&path)));
        let template = match Template::read(&shown, &text) {
            Ok(template) => template,
            Err(report) => {
                self.findings.borrow_mut().extend(report.findings);
                return Err(wrong());
            }
        };
        template.findings.allow_unknown(self.input.allow_unknown);
        let values = given(&own, resource, &template);
        // What is wrong with a value does not hide what is wrong in the template.
        let given = values?;
        let mut bound = parameters::bind_nested(&template, &given.values);
        let refused = given.refused.into_iter();
        bound.extend(refused.map(|(name, reported)| (name, Bound::Refused(reported))));
        let mut pseudo = context.pseudo().clone();
        pseudo.stack_name = format!("{}-{}", pseudo.stack_name, resource.id);
        let nest = Nest {
            prefix: context.logical_id(resource.id),
            folder: folder_of(&path).to_owned(),
            file: Some(shown.clone()),
            stacks: Some(&inner),
        };
        let wanted = wanted(context, resource.id);
        let read = read_template(
            &template,
            &bound,
            outside(self.input, &pseudo),
            &nest,
            &inner,
            self.input,
            |context| outputs(context, &wanted),
        );
        let found = template.findings.report().findings;
        let is_wrong = found.iter().any(|finding| finding.level == Level::Error);
        let mut all = self.findings.borrow_mut();
        all.extend(found);
        let below = inner.findings();
        let is_wrong = is_wrong || below.iter().any(|finding| finding.level == Level::Error);
        all.extend(below);
        if let (false, Some(reported)) = (is_wrong, given.failed) {
            return Err(reported);
        }
        match read {
            Ok((parts, outputs)) if !is_wrong => Ok(Some(Rc::new(Stack {
                parts: RefCell::new(parts),
                outputs,
            }))),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

impl Stacks for Nested<'_> {
    fn output(
        &self,
        resolver: &Resolver<'_>,
        resource: &Resource<'_>,
        output: &str,
        span: Span,
    ) -> Read<Option<Text>> {
        let Some(stack) = self.stack(resolver.context(), resource)? else {
            return Ok(None);
        };
        if let Some(value) = stack.outputs.get(output) {
            return value.clone();
        }
        let message = format!("`{}` has no output {}", resource.id, quoted(output));
        let known = stack.outputs.keys().map(String::as_str);
        let (findings, subject) = (resolver.findings(), &resolver.subject);
        Err(unknown_name(
            findings, subject, span, message, output, known,
        ))
    }
}

/// Where a nested template lies, as seen from the outermost one's folder. None for one that is not fetched.
fn location(
    context: &Context<'_>,
    own: &Resolver<'_>,
    resource: &Resource<'_>,
) -> Read<Option<(String, Span)>> {
    let property = match resource.type_name {
        "AWS::Serverless::Application" => "Location",
        _ => "TemplateURL",
    };
    let properties = resource.property_map();
    let asset = resource.map.get("Metadata").and_then(|entry| {
        let Value::Map(metadata) = &entry.node.value else {
            return None;
        };
        Some(&metadata.get("aws:asset:path")?.node)
    });
    let node = asset.or_else(|| Some(&properties?.get(property)?.node));
    let Some(node) = node else {
        let message = format!("`{property}` is required");
        return Err(own.error(TemplateRule::MissingProperty, resource.span, message));
    };
    let Some(node) = own.branch(node)? else {
        return Ok(None);
    };
    let left_out = || {
        let message = "the resource is left out: only a template beside this one is nested";
        let hint = "put the nested template beside this one and name its path";
        let (level, rule) = (Level::Warning, TemplateRule::TypeLeftOut);
        let (findings, subject) = (own.findings(), &own.subject);
        let hint = Some(hint.to_owned());
        findings.note(level, rule, subject, resource.span, message, hint);
        Ok(None)
    };
    // An application of a repository, or a URL that the cloud puts together.
    if node.value.text().is_none_or(|text| text.contains("://")) {
        return left_out();
    }
    let text = node.value.text().unwrap_or_default();
    let path = local_path(text).map_err(|why| own.error(TemplateRule::BadValue, node.span, why))?;
    Ok(Some((
        join(&context.nest().folder, path.as_str()),
        node.span,
    )))
}

/// What a nested stack gives to its parameters.
#[derive(Default)]
struct GivenToNested {
    values: BTreeMap<String, Text>,
    /// Parameters whose value could not be read.
    refused: Vec<(String, Reported)>,
    /// That something was wrong.
    failed: Option<Reported>,
}

/// The values that a nested stack gives to its parameters.
fn given(
    own: &Resolver<'_>,
    resource: &Resource<'_>,
    template: &Template<'_>,
) -> Read<GivenToNested> {
    let node = resource
        .property_map()
        .and_then(|properties| properties.get("Parameters"));
    let node = match node {
        Some(entry) => own.branch(&entry.node)?,
        None => None,
    };
    let Some(Node {
        value: Value::Map(map),
        ..
    }) = node
    else {
        return Ok(GivenToNested::default());
    };
    let mut given = GivenToNested::default();
    for (name, entry) in map {
        let names = || template.parameter_names();
        if !names().any(|known| known == name) {
            let message = format!("the nested template has no parameter {}", quoted(name));
            let (findings, subject, span) = (own.findings(), &own.subject, entry.key_span);
            given.failed = Some(unknown_name(
                findings,
                subject,
                span,
                message,
                name,
                names(),
            ));
            continue;
        }
        match own.value(&entry.node) {
            Ok(None) => {}
            Ok(Some(value)) => {
                given.values.insert(name.clone(), flat(value));
            }
            Err(reported) => {
                given.refused.push((name.clone(), reported));
                given.failed = Some(reported);
            }
        }
    }
    Ok(given)
}

/// A value as the text of a parameter: a list is written with commas.
fn flat(value: Resolved) -> Text {
    match value {
        Resolved::One(text) => text,
        Resolved::Many(items) => {
            let mut parts = Vec::new();
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    parts.push(Text::clean(","));
                }
                parts.push(flat(item));
            }
            Text::concat(&parts)
        }
    }
}

/// The outputs of a nested stack that its template asks for.
fn wanted(context: &Context<'_>, id: &str) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for entry in context.root().values() {
        for (name, attribute) in references(&entry.node) {
            if let Some(output) = attribute
                .as_deref()
                .and_then(|one| one.strip_prefix("Outputs."))
                && name == id
            {
                wanted.insert(output.to_owned());
            }
        }
    }
    wanted
}

/// Outputs by name, with their values. One whose condition does not hold is absent.
fn outputs(
    context: &Context<'_>,
    wanted: &BTreeSet<String>,
) -> BTreeMap<String, Read<Option<Text>>> {
    let mut outputs = BTreeMap::new();
    for (name, entry) in context.section("Outputs") {
        if !wanted.contains(name) {
            continue;
        }
        let Value::Map(map) = &entry.node.value else {
            continue;
        };
        let output = Resource {
            id: name,
            span: entry.key_span,
            type_name: "output",
            kind: None,
            map,
        };
        let own = context.resolver(output.subject());
        match (own.is_present(&output), map.get("Value")) {
            (Ok(true), Some(value)) => {
                let text = own.value(&value.node).map(|value| value.map(flat));
                outputs.insert(name.clone(), text);
            }
            (Ok(_), _) => {}
            (Err(reported), _) => {
                outputs.insert(name.clone(), Err(reported));
            }
        }
    }
    outputs
}
