//! Functions: code on every runtime, images, events.

use serde_json::{Map, Value, json};

use super::{Maker, TEXTS};

impl Maker {
    pub(super) fn function(&mut self, id: &str) -> Value {
        let mut properties = Map::new();
        let serverless = !self.one_in(4);
        let mut metadata = Map::new();
        match self.rng.u8(..6) {
            0 => self.image(id, serverless, &mut properties, &mut metadata),
            1 => self.inline(serverless, &mut properties),
            _ => self.code(id, serverless, &mut properties),
        }
        if self.one_in(3) {
            properties.insert("FunctionName".into(), json!(format!("shop_{id}.v1-x")));
        }
        let mut variables = Map::new();
        for number in 0..self.rng.u8(..4) {
            let value = match self.rng.u8(..6) {
                0 => json!({"Ref": "Password"}),
                1 => json!({"Fn::If": ["IsProd", {"Ref": "AWS::NoValue"}, "kept"]}),
                2 => json!({"Fn::If": ["IsProd", {"Ref": "Password"}, "open"]}),
                _ => self.text(3),
            };
            variables.insert(format!("VAR_{number}"), value);
        }
        properties.insert("Environment".into(), json!({"Variables": variables}));
        for (name, from, to) in [("Timeout", 1, 900), ("MemorySize", 128, 32768)] {
            if self.one_in(2) {
                let number = self.number(from, to);
                properties.insert(name.into(), number);
            }
        }
        if self.one_in(4) {
            properties.insert(
                "ReservedConcurrentExecutions".into(),
                json!(self.rng.u8(..)),
            );
            properties.insert(
                "Architectures".into(),
                json!([self.pick(&["x86_64", "arm64"])]),
            );
            properties.insert("EphemeralStorage".into(), json!({"Size": 1024}));
            properties.insert("Tags".into(), json!({"a": "b"}));
        }
        if serverless && self.one_in(4) {
            let config = json!({"ProvisionedConcurrentExecutions": self.rng.u8(1..)});
            properties.insert("ProvisionedConcurrencyConfig".into(), config);
        }
        if !properties.contains_key("PackageType") && !self.layers.is_empty() && self.one_in(2) {
            let layers: Vec<Value> = self.layers.iter().map(|id| json!({"Ref": id})).collect();
            let some = json!({"Fn::If": ["IsProd", layers[0], {"Ref": "AWS::NoValue"}]});
            let layers = if self.one_in(3) { vec![some] } else { layers };
            properties.insert("Layers".into(), json!(layers));
        }
        if serverless {
            let events = self.events(id);
            properties.insert("Events".into(), json!(events));
        }
        if self.one_in(5) {
            self.files
                .push((format!("hooks/{id}/sitecustomize.py"), "pass\n".into()));
            metadata.insert("EsbHooks".into(), json!(format!("hooks/{id}")));
        }
        let kind = if serverless { "Serverless" } else { "Lambda" };
        let kind = format!("AWS::{kind}::Function");
        json!({"Type": kind, "Metadata": metadata, "Properties": properties})
    }

    fn code(&mut self, id: &str, serverless: bool, properties: &mut Map<String, Value>) {
        let runtimes = [
            ("python3.12", "app.py"),
            ("nodejs22.x", "app.js"),
            ("java21", "App.class"),
            ("provided.al2023", "bootstrap"),
            ("provided.al2", "bootstrap"),
        ];
        let (runtime, file) = self.pick(&runtimes);
        self.files
            .push((format!("code/{id}/{file}"), "code\n".into()));
        if self.one_in(3) {
            for (file, text) in [
                ("requirements.txt", "tomli==2.0.1\n"),
                ("package.json", "{\"dependencies\": {\"a\": \"1\"}}"),
                ("lib/a.jar", "jar"),
                ("data/words.txt", "words"),
            ] {
                self.files.push((format!("code/{id}/{file}"), text.into()));
            }
        }
        if self.one_in(8) {
            let text = "FROM esb-lambda-base\nCOPY . /var/task/\nRUN true\n";
            self.files
                .push((format!("code/{id}/Dockerfile"), text.into()));
        }
        let key = if serverless { "CodeUri" } else { "Code" };
        properties.insert(key.into(), json!(format!("code/{id}/")));
        properties.insert("Runtime".into(), json!(runtime));
        properties.insert("Handler".into(), json!("app.handler"));
    }

    fn inline(&mut self, serverless: bool, properties: &mut Map<String, Value>) {
        let text = json!("def handler(event, context):\n    return \"${event}\"\n");
        if serverless {
            properties.insert("InlineCode".into(), text);
        } else {
            properties.insert("Code".into(), json!({"ZipFile": text}));
        }
        properties.insert(
            "Runtime".into(),
            json!(self.pick(&["python3.13", "nodejs20.x"])),
        );
        properties.insert("Handler".into(), json!("index.handler"));
    }

    fn image(
        &mut self,
        id: &str,
        serverless: bool,
        properties: &mut Map<String, Value>,
        metadata: &mut Map<String, Value>,
    ) {
        properties.insert("PackageType".into(), json!("Image"));
        let config = json!({
            "Command": [self.pick(&TEXTS), "x"],
            "EntryPoint": ["/bin/sh", self.pick(&TEXTS)],
            "WorkingDirectory": "/srv",
        });
        properties.insert("ImageConfig".into(), config);
        let uri = json!({"Fn::Sub": "registry.example/${Stage}/image:1"});
        match (self.one_in(2), serverless) {
            (true, _) => {
                let text = "ARG BASE=busybox\nFROM ${BASE} AS one\nCOPY --from=busybox /bin /bin\nCOPY a b* /srv/\n\
                            FROM one AS two\nRUN <<EOF\ntrue\nEOF\n";
                self.files
                    .push((format!("image/{id}/Containerfile"), text.into()));
                self.files.push((format!("image/{id}/a"), "a\n".into()));
                self.files.push((format!("image/{id}/b1"), "b\n".into()));
                metadata.insert("DockerContext".into(), json!(format!("image/{id}")));
                metadata.insert("Dockerfile".into(), json!("Containerfile"));
                metadata.insert(
                    "DockerBuildTarget".into(),
                    json!(self.pick(&["one", "two"])),
                );
                let args = json!({"BASE": "alpine:3.20", "OTHER": "two words"});
                metadata.insert("DockerBuildArgs".into(), args);
            }
            (false, true) => drop(properties.insert("ImageUri".into(), uri)),
            (false, false) => drop(properties.insert("Code".into(), json!({"ImageUri": uri}))),
        }
    }

    fn events(&mut self, id: &str) -> Map<String, Value> {
        let mut events = Map::new();
        for number in 0..self.rng.u8(..4) {
            let path = format!("/{id}/{number}/{{item}}/{{proxy+}}");
            let method = self.pick(&["get", "POST", "any", "ANY", "delete"]);
            let (kind, properties) = match self.rng.u8(..6) {
                0 => ("Api", json!({"Path": path, "Method": method})),
                1 => ("HttpApi", json!({"Path": path, "Method": method})),
                2 => ("HttpApi", json!({"Path": path})),
                3 => (
                    "Schedule",
                    json!({"Schedule": "rate(5 minutes)", "Input": self.pick(&TEXTS), "Enabled": {"Fn::If": ["IsProd", true, false]}}),
                ),
                4 => (
                    "ScheduleV2",
                    json!({"ScheduleExpression": "cron(0 8 ? * MON-FRI *)", "ScheduleExpressionTimezone": "Europe/Berlin",
                           "State": "DISABLED", "Description": self.text(1)}),
                ),
                _ => ("SQS", json!({"Queue": "arn:aws:sqs:eu-1:1:q"})),
            };
            let event = json!({"Type": kind, "Properties": properties});
            events.insert(format!("Event{number}"), event);
        }
        events
    }
}
