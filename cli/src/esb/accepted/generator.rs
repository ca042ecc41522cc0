//! Valid templates from seeds, over every type, event and intrinsic function that is read.

mod function;

use std::fs;
use std::path::Path;

use engine::yaml::{self, ParseLimits};
use fastrand::Rng;
use serde_json::{Map, Value, json};

/// The value of the secret parameter: it may be nowhere.
pub(super) const CANARY: &str = "canary-71c2";

/// Texts that YAML, Dockerfiles or shells may take for something else.
const TEXTS: [&str; 24] = [
    "plain",
    "",
    " leading and trailing ",
    "yes",
    "null",
    "~",
    "1e3",
    "0x10",
    "12:30:00",
    "1.10",
    "2026-11-25",
    "# no comment",
    "a: b",
    "- x",
    "{a}",
    "[1, 2]",
    "'single' \"double\"",
    "back\\slash",
    "one\ntwo\n",
    "tab\there",
    "$HOME ${HOME}",
    "ünï ☃",
    "\u{85}\u{2028}",
    "!Ref x",
];

/// A template, its code and its command line.
pub(super) struct Generated {
    /// Name of the template's file.
    pub(super) file: &'static str,
    pub(super) text: String,
    pub(super) flags: Vec<String>,
    files: Vec<(String, String)>,
    /// Names of the functions that are there, sorted.
    pub(super) functions: Vec<String>,
}

impl Generated {
    /// The template of a seed with so many resources.
    pub(super) fn of(seed: u64, size: usize) -> Self {
        let mut maker = Maker::new(seed);
        for number in 0..size {
            maker.resource(number);
        }
        maker.finish()
    }

    /// Puts template and code into a folder.
    pub(super) fn write(&self, folder: &Path) {
        let put = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(self.file, &self.text);
        for (path, text) in &self.files {
            put(path, text);
        }
    }
}

struct Maker {
    rng: Rng,
    prod: bool,
    resources: Map<String, Value>,
    /// Resources that are there, with the attributes of their type.
    targets: Vec<(String, &'static [&'static str])>,
    layers: Vec<String>,
    files: Vec<(String, String)>,
    flags: Vec<String>,
    functions: Vec<String>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let prod = rng.bool();
        let mut flags = vec![
            format!("--parameter=Password={CANARY}"),
            "--parameter=ImportValue:shared=imported".to_owned(),
            "--base=nodejs=lambda/nodejs:22".to_owned(),
            "--base=java=lambda/java:21".to_owned(),
        ];
        if prod {
            flags.push("--parameter=Stage=prod".to_owned());
        }
        let optional = [
            "--mode=containerd",
            "--env=test",
            "--tag=v1.2",
            "--registry=registry:5000",
            "--require=gateway=^1.4",
            "--esb-version=>=1.4, <2",
            "--esb-version=latest",
            "--bundle-manifest",
            "--base=python=registry:5000/other/python:3",
            "--project=shop",
        ];
        for flag in optional {
            let twice =
                flag.starts_with("--esb") && flags.iter().any(|had| had.starts_with("--esb"));
            if !twice && rng.u8(..4) == 0 {
                flags.push(flag.to_owned());
            }
        }
        Self {
            rng,
            prod,
            resources: Map::new(),
            targets: Vec::new(),
            layers: Vec::new(),
            files: Vec::new(),
            flags,
            functions: Vec::new(),
        }
    }

    fn one_in(&mut self, times: u8) -> bool {
        self.rng.u8(..times) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())].clone()
    }

    /// One of the conditions, and whether it holds.
    fn condition(&mut self) -> (&'static str, bool) {
        let prod = self.prod;
        self.pick(&[
            ("IsProd", prod),
            ("IsNotProd", !prod),
            ("Both", prod),
            ("Either", true),
            ("Same", prod),
        ])
    }

    /// Something that evaluates to a text.
    fn text(&mut self, depth: u8) -> Value {
        if depth == 0 || self.one_in(3) {
            return json!(self.pick(&TEXTS));
        }
        let inner = depth - 1;
        match self.rng.u8(..14) {
            0 => json!({"Ref": "Stage"}),
            1 => json!({"Fn::Sub": "on ${Stage} of ${AWS::Region} ${!not}"}),
            2 => json!({"Fn::Sub": ["${inner}/${Stage}", {"inner": self.text(inner)}]}),
            3 => json!({"Fn::Join": [self.pick(&TEXTS), [self.text(inner), self.text(inner)]]}),
            4 => json!({"Fn::Select": [self.rng.u8(..2), [self.text(inner), self.text(inner)]]}),
            5 => json!({"Fn::Select": ["1", {"Fn::Split": [",", "a,b,c"]}]}),
            6 => json!({"Fn::Select": [1, {"Ref": "Names"}]}),
            7 => {
                let (condition, _) = self.condition();
                json!({"Fn::If": [condition, self.text(inner), self.text(inner)]})
            }
            8 => json!({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "word"]}),
            9 => json!({"Fn::Base64": self.text(inner)}),
            10 => json!({"Fn::ImportValue": "shared"}),
            11 => {
                let pseudo = [
                    "AWS::AccountId",
                    "AWS::StackName",
                    "AWS::Partition",
                    "AWS::URLSuffix",
                ];
                json!({"Ref": self.pick(&pseudo)})
            }
            12 | 13 if self.targets.is_empty() => json!({"Ref": "AWS::StackId"}),
            12 => {
                let targets = self.targets.clone();
                json!({"Ref": self.pick(&targets).0})
            }
            _ => {
                let targets = self.targets.clone();
                let (id, attributes) = self.pick(&targets);
                let attribute = self.pick(attributes);
                let list = json!({"Fn::GetAtt": [id, attribute]});
                let short = json!({"Fn::Sub": format!("${{{id}.{attribute}}}")});
                self.pick(&[list, short])
            }
        }
    }

    /// Something that evaluates to a number between two.
    fn number(&mut self, from: u32, to: u32) -> Value {
        let number = self.rng.u32(from..=to);
        match self.rng.u8(..5) {
            0 => json!(number.to_string()),
            1 => json!({"Fn::FindInMap": ["Sizes", "prod", "number"]}),
            2 => json!({"Ref": "Count"}),
            3 => json!({"Fn::If": ["IsProd", number, from]}),
            _ => json!(number),
        }
    }

    fn resource(&mut self, number: usize) {
        let id = format!("Thing{number}");
        let (kind, mut resource) = match self.rng.u8(..12) {
            0..=5 => ("function", self.function(&id)),
            6 => ("layer", self.layer(&id)),
            7 => ("table", self.table()),
            8 => ("table", self.simple_table()),
            9 => ("bucket", self.bucket(number)),
            10 => (
                "role",
                json!({"Type": "AWS::IAM::Role", "Properties": {"Path": "/"}}),
            ),
            _ => (
                "api",
                json!({"Type": "AWS::Serverless::Api", "Properties": {"StageName": "v1"}}),
            ),
        };
        let there = if self.one_in(4) {
            let (condition, holds) = self.condition();
            resource["Condition"] = json!(condition);
            resource["DependsOn"] = json!([]);
            // Who refers to what may be absent is wrong: nobody does.
            if holds && kind == "function" {
                self.functions.push(name_of(&resource, &id));
            }
            false
        } else {
            true
        };
        self.resources.insert(id.clone(), resource.clone());
        match kind {
            _ if !there => {}
            "function" => {
                self.functions.push(name_of(&resource, &id));
                self.targets.push((id, &["Arn"]));
            }
            "layer" => self.layers.push(id),
            "table" => self.targets.push((id, &["Arn", "StreamArn"])),
            "bucket" => self
                .targets
                .push((id, &["Arn", "DomainName", "WebsiteURL"])),
            _ => {}
        }
    }

    fn layer(&mut self, id: &str) -> Value {
        let file = self.pick(&["shared.py", "python/shared.py", "bin/tool", "a.jar"]);
        self.files
            .push((format!("layers/{id}/{file}"), "layer\n".into()));
        let content = json!(format!("layers/{id}"));
        let (kind, key) = self.pick(&[
            ("AWS::Serverless::LayerVersion", "ContentUri"),
            ("AWS::Lambda::LayerVersion", "Content"),
        ]);
        json!({"Type": kind, "Properties": {key: content, "CompatibleRuntimes": ["python3.12"]}})
    }

    fn table(&mut self) -> Value {
        let mut properties = json!({
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": self.pick(&["N", "B", "S"])},
            ],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": {"Ref": "Count"}});
        let mut index = json!({
            "IndexName": "by-time",
            "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
            "Projection": self.pick(&[
                json!({"ProjectionType": "ALL"}),
                json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]}),
            ]),
        });
        if self.one_in(2) {
            properties["BillingMode"] = json!("PAY_PER_REQUEST");
        } else {
            properties["ProvisionedThroughput"] = throughput.clone();
            index["ProvisionedThroughput"] = throughput;
        }
        properties["GlobalSecondaryIndexes"] = json!([index]);
        if self.one_in(2) {
            properties["StreamSpecification"] = json!({"StreamViewType": "NEW_IMAGE"});
            properties["TimeToLiveSpecification"] =
                json!({"AttributeName": "end", "Enabled": true});
        }
        json!({"Type": "AWS::DynamoDB::Table", "Properties": properties})
    }

    fn simple_table(&mut self) -> Value {
        let mut properties = json!({});
        if self.one_in(2) {
            properties["PrimaryKey"] =
                json!({"Name": "key", "Type": self.pick(&["String", "Number", "Binary"])});
        }
        json!({"Type": "AWS::Serverless::SimpleTable", "Properties": properties})
    }

    fn bucket(&mut self, number: usize) -> Value {
        let mut rule =
            json!({"Status": self.pick(&["Enabled", "Disabled"]), "Prefix": self.pick(&TEXTS)});
        rule[self.pick(&["ExpirationInDays", "NoncurrentVersionExpirationInDays"])] = json!(7);
        json!({"Type": "AWS::S3::Bucket", "Properties": {
            "BucketName": {"Fn::Join": ["-", ["bucket", number.to_string(), {"Ref": "AWS::AccountId"}]]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "LifecycleConfiguration": {"Rules": [rule]},
        }})
    }

    fn finish(mut self) -> Generated {
        let template = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Transform": "AWS::Serverless-2016-10-31",
            "Parameters": {
                "Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"]},
                "Count": {"Type": "Number", "Default": 130, "MinValue": 1},
                "Names": {"Type": "CommaDelimitedList", "Default": "one, two,three"},
                "Password": {"Type": "String", "NoEcho": true, "MinLength": 4},
            },
            "Mappings": {"Sizes": {
                "dev": {"number": 200, "word": "small"},
                "prod": {"number": 400, "word": "large"},
            }},
            "Conditions": {
                "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
                "IsNotProd": {"Fn::Not": [{"Condition": "IsProd"}]},
                "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Fn::Not": [{"Fn::Equals": [{"Ref": "Password"}, "guess"]}]}]},
                "Either": {"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsNotProd"}]},
                "Same": {"Condition": "IsProd"},
            },
            "Globals": {"Function": {"Timeout": 5, "Environment": {"Variables": {"SHARED": "1"}}}},
            "Resources": self.resources,
        });
        let json = serde_json::to_string_pretty(&template).unwrap();
        let (file, text) = if self.one_in(2) {
            ("template.json", json)
        } else {
            let tree = yaml::parse(&json, &ParseLimits::default()).unwrap();
            ("template.yaml", yaml::emit(&tree))
        };
        self.functions.sort();
        Generated {
            file,
            text,
            flags: self.flags,
            files: self.files,
            functions: self.functions,
        }
    }
}

/// What a function is called in the stack.
fn name_of(resource: &Value, id: &str) -> String {
    let name = resource["Properties"]["FunctionName"].as_str();
    name.unwrap_or(id).to_owned()
}
