//! The fingerprints of methods, from the descriptors of their IDL.

use std::collections::HashMap;

use prost_types::{
    field_descriptor_proto::{Label, Type},
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
};
use sha2::{Digest, Sha256};

use crate::hello::Method;

/// The messages of an IDL, by full name.
struct Messages<'a>(HashMap<String, &'a DescriptorProto>);

/// The text of a fingerprint, and the messages in the order in which it mentions them.
struct Text {
    lines: Vec<String>,
    mentioned: Vec<String>,
}

/// The methods of a service, or of all services, in the order of the IDL.
pub fn methods(files: &FileDescriptorSet, service: Option<&str>) -> Vec<Method> {
    let mut messages = Messages(HashMap::new());
    for file in &files.file {
        file.message_type.iter().for_each(|message| messages.add(file.package(), message));
    }
    let mut methods = Vec::new();
    for file in &files.file {
        for found in &file.service {
            let name = within(file.package(), found.name());
            if service.is_some_and(|wanted| wanted != name) {
                continue;
            }
            for method in &found.method {
                let kind = match (method.client_streaming(), method.server_streaming()) {
                    (false, false) => "unary",
                    (true, false) => "client_streaming",
                    (false, true) => "server_streaming",
                    (true, true) => "bidi",
                };
                let text = messages.text(kind, bare(method.input_type()), bare(method.output_type()));
                let path = format!("/{name}/{}", method.name());
                methods.push(Method { path, fingerprint: fingerprint(&text) });
            }
        }
    }
    methods
}

fn fingerprint(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    u64::from_be_bytes(digest[..8].try_into().expect("there are 32"))
}

/// A full name, without the dot that descriptors put ahead of it.
fn bare(name: &str) -> &str {
    name.trim_start_matches('.')
}

/// The full name of what lies in a package or a message; a package may have no name.
fn within(scope: &str, name: &str) -> String {
    format!("{scope}.{name}").trim_start_matches('.').into()
}

impl<'a> Messages<'a> {
    fn add(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = within(scope, message.name());
        message.nested_type.iter().for_each(|nested| self.add(&name, nested));
        self.0.insert(name, message);
    }

    fn text(&self, kind: &str, request: &str, response: &str) -> String {
        let lines = vec![format!("kind {kind}"), format!("request {request}"), format!("response {response}")];
        let mut text = Text { lines, mentioned: Vec::new() };
        text.mention(request);
        text.mention(response);
        let mut index = 0;
        while index < text.mentioned.len() {
            let name = text.mentioned[index].clone();
            text.lines.push(format!("message {name}"));
            self.add_fields(self.0[&name], &mut text);
            index += 1;
        }
        text.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The fields in the order of the native layout: those outside of oneofs, then the oneofs.
    fn add_fields(&self, message: &DescriptorProto, text: &mut Text) {
        let is_choice = |field: &&FieldDescriptorProto| field.oneof_index.is_some() && !field.proto3_optional();
        for field in message.field.iter().filter(|field| !is_choice(field)) {
            let kind = self.field_type(field, text);
            text.lines.push(format!("{} {} {kind}", field.number(), field.name()));
        }
        for (index, oneof) in message.oneof_decl.iter().enumerate() {
            let choices = message.field.iter().filter(is_choice).filter(|field| field.oneof_index() as usize == index);
            let choices: Vec<_> = choices.collect();
            if choices.is_empty() {
                continue;
            }
            text.lines.push(format!("0 {} oneof", oneof.name()));
            for field in choices {
                let kind = value_type(field, text);
                text.lines.push(format!("{} {} {kind}", field.number(), field.name()));
            }
        }
    }

    fn field_type(&self, field: &FieldDescriptorProto, text: &mut Text) -> String {
        if field.label() != Label::Repeated {
            let is_optional = field.proto3_optional() || field.r#type() == Type::Message;
            return format!("{}{}", if is_optional { "optional " } else { "" }, value_type(field, text));
        }
        let entry = self
            .0
            .get(bare(field.type_name()))
            .filter(|message| message.options.as_ref().is_some_and(|options| options.map_entry()));
        match entry {
            Some(entry) => {
                format!("map {} {}", value_type(&entry.field[0], text), value_type(&entry.field[1], text))
            }
            None => format!("repeated {}", value_type(field, text)),
        }
    }
}

impl Text {
    fn mention(&mut self, message: &str) {
        if !self.mentioned.iter().any(|mentioned| mentioned == message) {
            self.mentioned.push(message.into());
        }
    }
}

fn value_type(field: &FieldDescriptorProto, text: &mut Text) -> String {
    let name = match field.r#type() {
        Type::String => "str",
        Type::Bytes => "bytes",
        Type::Bool => "bool",
        Type::Int32 => "i32",
        Type::Uint32 => "u32",
        Type::Int64 => "i64",
        Type::Uint64 => "u64",
        Type::Float => "f32",
        Type::Double => "f64",
        Type::Enum => "enum",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Fixed32 => "fixed32",
        Type::Fixed64 => "fixed64",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Message | Type::Group => {
            let name = bare(field.type_name());
            text.mention(name);
            return format!("message {name}");
        }
    };
    name.into()
}
