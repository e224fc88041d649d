"""What RO-Crate 1.1 and three profiles ask of a crate, as a JSON schema; what points where it cannot say.

The profiles: Process Run Crate 0.5, Workflow Run Crate 0.5, Workflow RO-Crate 1.0.
"""

# of the context of RO-Crate 1.1, what a crate here uses: every reader would drop a term that it lacks
TERMS = {
    *("@id", "@type", "about", "actionStatus", "additionalType", "author", "citation", "conformsTo"),
    *("dateCreated", "datePublished", "description", "encodingFormat", "endTime", "error", "exampleOfWork"),
    *("hasPart", "identifier", "input", "instrument", "isBasedOn", "isPartOf", "license", "mainEntity"),
    *("mentions", "name", "object", "output", "programmingLanguage", "result", "softwareRequirements"),
    *("softwareVersion", "startTime", "url", "value", "valueRequired", "version", "workExample"),
}
TYPES = [
    *("ComputationalWorkflow", "ComputerLanguage", "CreateAction", "CreativeWork", "Dataset", "File"),
    *("FormalParameter", "Person", "PropertyValue", "ScholarlyArticle", "SoftwareApplication"),
    "SoftwareSourceCode",
]
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROCESS, WORKFLOW = (f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow"))
OF_WORKFLOWS = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
ACTIVE, COMPLETED, FAILED = (
    f"http://schema.org/{word}ActionStatus" for word in ("Active", "Completed", "Failed")
)
OUTSIDE = {
    "https://w3id.org/ro/crate/1.1",
    "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE",
    "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE",
}  # to what a crate points without describing it


def to(id):
    return {"const": {"@id": id}}


def to_all(*ids):
    return {"type": "array", "allOf": [{"contains": to(id)} for id in ids]}


def there(id, kind, needs=(), **properties):
    """The crate has this entity."""
    said = {"@id": {"const": id}, "@type": {"const": kind}, **properties}
    return {"contains": {"required": [*said, *needs], "properties": said}}


def every(kind, *needs, **properties):
    """Whatever is of this type has these properties."""
    named = {"anyOf": [{"const": kind}, {"type": "array", "contains": {"const": kind}}]}
    return {"if": {"properties": {"@type": named}}, "then": {"required": [*needs], "properties": properties}}


REFERENCE = {"type": "object", "required": ["@id"], "propertyNames": {"const": "@id"}}
ONE = {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}, REFERENCE]}
ENTITY = {
    "required": ["@id", "@type"],
    "propertyNames": {"enum": sorted(TERMS)},
    "properties": {"@type": {"anyOf": [{"enum": TYPES}, {"type": "array", "items": {"enum": TYPES}}]}},
    # flat, and one thing is no list of one
    "additionalProperties": {"anyOf": [ONE, {"type": "array", "minItems": 2, "items": ONE}]},
    "allOf": [
        every("File", "name", "encodingFormat"),
        every("Person", "name"),
        every("PropertyValue", "name", "value"),
        every("SoftwareApplication", "name", "softwareVersion", version=False),
        every("SoftwareSourceCode", "name", "version"),
        every("ComputerLanguage", "name", "url"),
        every("FormalParameter", "name", "additionalType", "conformsTo"),
        every("ComputationalWorkflow", "license", "dateCreated", "programmingLanguage", "conformsTo"),
        every(
            "CreateAction",
            "name",
            "description",
            "instrument",
            actionStatus={"enum": [ACTIVE, COMPLETED, FAILED]},
        ),
        {"if": {"required": ["error"]}, "then": {"properties": {"actionStatus": {"const": FAILED}}}},
    ],
}
DESCRIPTOR = there(
    "ro-crate-metadata.json",
    "CreativeWork",
    about=to("./"),
    conformsTo=to_all("https://w3id.org/ro/crate/1.1", OF_WORKFLOWS),
)
ROOT = there(
    "./",
    "Dataset",
    ["name", "description", "license", "hasPart", "mentions"],
    datePublished={"pattern": r"^\d{4}-\d\d-\d\d$"},
    conformsTo=to_all(PROCESS, WORKFLOW, OF_WORKFLOWS),
    mainEntity=to("run.sh"),
)
PROFILES = [there(id, "CreativeWork", ["name", "version"]) for id in (PROCESS, WORKFLOW, OF_WORKFLOWS)]
MAIN = there("run.sh", ["File", "SoftwareSourceCode", "ComputationalWorkflow"])
RULES = {
    "required": ["@context", "@graph"],
    "properties": {
        "@context": {"const": CONTEXT},
        "@graph": {"items": ENTITY, "allOf": [DESCRIPTOR, ROOT, MAIN, *PROFILES]},
    },
}
