//! The properties of functions.

use crate::sam::property::{Properties, left_out, no_effect, read, refused};

const ROLE: &str = "the stack asks nobody for permission";
const VPC: &str = "functions are in the network of the stack";
const TRACE: &str = "the stack keeps no traces";
const LOGS: &str = "logs are the stack's";
const VERSIONS: &str = "there is one version of a function";
const IN_S3: &str =
    "what lies in S3 is not fetched; refused without the `Metadata` `aws:asset:path`";
const QUEUE: &str = "a call that fails goes nowhere";

/// `AWS::Serverless::Function`.
pub(in crate::sam) const SERVERLESS: Properties = Properties {
    of: "AWS::Serverless::Function",
    open: false,
    list: &[
        read(
            "Architectures",
            "one of `x86_64`, `arm64`; `x86_64` without it",
        ),
        no_effect("AssumeRolePolicyDocument", ROLE),
        no_effect("AutoPublishAlias", VERSIONS),
        no_effect("AutoPublishAliasAllProperties", VERSIONS),
        no_effect("AutoPublishCodeSha256", VERSIONS),
        left_out(
            "CapacityProviderConfig",
            "functions run on the stack itself",
        ),
        no_effect("CodeSigningConfigArn", "code is not signed"),
        read(
            "CodeUri",
            "a local path: a folder, an archive or a single file; the template's folder without it; S3 is refused",
        ),
        left_out("DeadLetterQueue", QUEUE),
        no_effect("DeploymentPreference", VERSIONS),
        no_effect("Description", "it is for people"),
        refused(
            "DurableConfig",
            "the stack keeps no state between the steps of a function",
        ),
        read("Environment", ""),
        read(
            "Environment.Variables",
            "texts; a `NoEcho` parameter in one becomes a reference that the gateway replaces",
        ),
        no_effect("EphemeralStorage", "the stack does not limit `/tmp`"),
        left_out(
            "EventInvokeConfig",
            "calls that nobody waits for are not retried",
        ),
        read("Events", "see the types of events"),
        left_out("FileSystemConfigs", "no file system is mounted"),
        read(
            "FunctionName",
            "its name in the stack; the logical id without it",
        ),
        left_out(
            "FunctionScalingConfig",
            "see `ReservedConcurrentExecutions`",
        ),
        read(
            "FunctionUrlConfig",
            "the function answers `/_url/FUNCTION` and every path below",
        ),
        read(
            "FunctionUrlConfig.AuthType",
            "as written; the gateway does not ask who calls",
        ),
        left_out(
            "FunctionUrlConfig.Cors",
            "the function answers preflight requests itself",
        ),
        left_out("FunctionUrlConfig.InvokeMode", "answers are not streamed"),
        read(
            "Handler",
            "required for zip functions; `bootstrap` for provided runtimes without it",
        ),
        read("ImageConfig", ""),
        read("ImageConfig.Command", "a list of texts"),
        read("ImageConfig.EntryPoint", "a list of texts"),
        read("ImageConfig.WorkingDirectory", ""),
        read("ImageUri", "image functions; `--image-uri` stands above it"),
        read("InlineCode", "the text of `index.py` or `index.js`"),
        no_effect("KmsKeyArn", "variables are not encrypted"),
        read(
            "Layers",
            "layers of the template, by `Ref`; `--layer` says what stands in place of others",
        ),
        no_effect("LoggingConfig", LOGS),
        read("MemorySize", "megabytes, 128 to 32768"),
        read("PackageType", "`Zip` or `Image`"),
        no_effect("PermissionsBoundary", ROLE),
        no_effect("Policies", ROLE),
        no_effect("PropagateTags", "tags are not kept"),
        read("ProvisionedConcurrencyConfig", ""),
        read(
            "ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions",
            "the least that is kept running",
        ),
        no_effect("PublishToLatestPublished", VERSIONS),
        no_effect("RecursiveLoop", "the stack does not look for loops"),
        read(
            "ReservedConcurrentExecutions",
            "the most that may run at once",
        ),
        no_effect("Role", ROLE),
        no_effect("RolePath", ROLE),
        read(
            "Runtime",
            "`python3.x`, `nodejsN.x`, `javaN`, `provided.al2`, `provided.al2023`; required for zip functions",
        ),
        no_effect("RuntimeManagementConfig", "the runtime is the base image's"),
        no_effect("SnapStart", "functions start from their image"),
        no_effect("SourceKMSKeyArn", "code is not encrypted"),
        no_effect("Tags", "tags are not kept"),
        left_out("TenancyConfig", "every caller shares the running functions"),
        read("Timeout", "seconds, 1 to 900"),
        no_effect("Tracing", TRACE),
        no_effect("VersionDeletionPolicy", VERSIONS),
        no_effect("VersionDescription", VERSIONS),
        no_effect("VpcConfig", VPC),
    ],
};

/// `AWS::Lambda::Function`.
pub(in crate::sam) const LAMBDA: Properties = Properties {
    of: "AWS::Lambda::Function",
    open: false,
    list: &[
        read(
            "Architectures",
            "one of `x86_64`, `arm64`; `x86_64` without it",
        ),
        left_out(
            "CapacityProviderConfig",
            "functions run on the stack itself",
        ),
        read(
            "Code",
            "a local path, or a mapping; the template's folder without it",
        ),
        read(
            "Code.ImageUri",
            "image functions; `--image-uri` stands above it",
        ),
        read("Code.S3Bucket", IN_S3),
        read("Code.S3Key", IN_S3),
        no_effect("Code.S3ObjectVersion", "see `S3Bucket`"),
        no_effect("Code.SourceKMSKeyArn", "code is not encrypted"),
        read("Code.ZipFile", "the text of `index.py` or `index.js`"),
        no_effect("CodeSigningConfigArn", "code is not signed"),
        left_out("DeadLetterConfig", QUEUE),
        no_effect("Description", "it is for people"),
        refused(
            "DurableConfig",
            "the stack keeps no state between the steps of a function",
        ),
        read("Environment", ""),
        read(
            "Environment.Variables",
            "texts; a `NoEcho` parameter in one becomes a reference that the gateway replaces",
        ),
        no_effect("EphemeralStorage", "the stack does not limit `/tmp`"),
        left_out("FileSystemConfigs", "no file system is mounted"),
        read(
            "FunctionName",
            "its name in the stack; the logical id without it",
        ),
        left_out(
            "FunctionScalingConfig",
            "see `ReservedConcurrentExecutions`",
        ),
        read(
            "Handler",
            "required for zip functions; `bootstrap` for provided runtimes without it",
        ),
        read("ImageConfig", ""),
        read("ImageConfig.Command", "a list of texts"),
        read("ImageConfig.EntryPoint", "a list of texts"),
        read("ImageConfig.WorkingDirectory", ""),
        no_effect("KmsKeyArn", "variables are not encrypted"),
        read(
            "Layers",
            "layers of the template, by `Ref`; `--layer` says what stands in place of others",
        ),
        no_effect("LoggingConfig", LOGS),
        read("MemorySize", "megabytes, 128 to 32768"),
        read("PackageType", "`Zip` or `Image`"),
        no_effect("PublishToLatestPublished", VERSIONS),
        no_effect("RecursiveLoop", "the stack does not look for loops"),
        read(
            "ReservedConcurrentExecutions",
            "the most that may run at once",
        ),
        no_effect("Role", ROLE),
        read(
            "Runtime",
            "`python3.x`, `nodejsN.x`, `javaN`, `provided.al2`, `provided.al2023`; required for zip functions",
        ),
        no_effect("RuntimeManagementConfig", "the runtime is the base image's"),
        no_effect("SnapStart", "functions start from their image"),
        no_effect("Tags", "tags are not kept"),
        left_out("TenancyConfig", "every caller shares the running functions"),
        read("Timeout", "seconds, 1 to 900"),
        no_effect("TracingConfig", TRACE),
        no_effect("VpcConfig", VPC),
    ],
};

/// `Metadata` of a function.
pub(in crate::sam) const METADATA: Properties = Properties {
    of: "`Metadata` of a function",
    open: true,
    list: &[
        read(
            "BuildMethod",
            "`makefile`, `esbuild`, `rust-cargolambda` or a runtime; without it the code shows what builds it",
        ),
        read("BuildProperties", "of `esbuild` and `rust-cargolambda`"),
        read("BuildProperties.Binary", "which program of several"),
        read("BuildProperties.EntryPoints", "required with `esbuild`"),
        read("BuildProperties.External", ""),
        read("BuildProperties.Format", "`cjs` without it"),
        read("BuildProperties.KeepNames", ""),
        read("BuildProperties.Loader", ""),
        read("BuildProperties.MainFields", ""),
        read("BuildProperties.Minify", "`true` without it"),
        read("BuildProperties.OutExtension", ""),
        read("BuildProperties.Sourcemap", "`false` without it"),
        read("BuildProperties.Target", "`es2020` without it"),
        read("DockerBuildArgs", "texts, by name"),
        read("DockerBuildTarget", "the stage to build"),
        read("DockerContext", "a local path; required with `Dockerfile`"),
        no_effect("DockerTag", "tags are the deploy's"),
        read(
            "Dockerfile",
            "a path in `DockerContext`; `Dockerfile` without it",
        ),
        read(
            "EsbHooks",
            "a local folder that becomes `functions/<name>/hooks`",
        ),
        no_effect("SamResourceId", "`sam build` made the template"),
        read("aws:asset:docker-build-args", "as `DockerBuildArgs`"),
        read("aws:asset:docker-build-target", "as `DockerBuildTarget`"),
        read("aws:asset:dockerfile-path", "as `Dockerfile`"),
        no_effect(
            "aws:asset:is-bundled",
            "the asset is taken as it lies there",
        ),
        read(
            "aws:asset:path",
            "the local path of an asset of the CDK, which stands in place of S3 or of a registry",
        ),
        no_effect("aws:asset:property", "it is the code of the resource"),
        no_effect("aws:cdk:path", "it is for other tools"),
    ],
};

/// `Metadata` of a layer.
pub(in crate::sam) const LAYER_METADATA: Properties = Properties {
    of: "`Metadata` of a layer",
    open: true,
    list: &[
        no_effect("BuildArchitecture", "a layer is built for each function"),
        read(
            "BuildMethod",
            "`makefile` or a runtime; without it the files are taken as they lie there",
        ),
        no_effect("BuildProperties", "no method of layers has any"),
        no_effect("SamResourceId", "`sam build` made the template"),
        no_effect(
            "aws:asset:is-bundled",
            "the asset is taken as it lies there",
        ),
        read(
            "aws:asset:path",
            "the local path of an asset of the CDK, which stands in place of S3",
        ),
        no_effect("aws:asset:property", "it is the content of the layer"),
        no_effect("aws:cdk:path", "it is for other tools"),
    ],
};

/// Properties of an image function that its image stands for.
pub(super) const OF_ZIPS: [&str; 4] = ["CodeUri", "Handler", "InlineCode", "Runtime"];

/// Why a property of zip functions has no effect in an image function.
pub(super) const IN_IMAGE: &str = "the image has its own";
