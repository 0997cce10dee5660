package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"sallyport/config/secret"
)

// field is one line of the reference.
type field struct {
	path    string
	kind    string
	initial string
	doc     string
}

// Reference returns docs/configuration.md: every field with its type, default and meaning.
func Reference() []byte {
	var out bytes.Buffer
	out.WriteString(`# Configuration

<!-- Generated from the struct tags in config/config.go; to change it: go test ./config -run Reference -update -->

` + "`sallyport serve --config FILE`" + ` reads one YAML document; ` + "`sallyport config check --config FILE`" + ` says everything that is wrong with it.
What is not understood is an error, with its line: unknown fields, wrong types, a second document, a value that still holds the
example's placeholder. Relative file names count from the folder the program was started in. Secrets in files are UTF-8, and trimmed of
one line ending. [config.example.yaml](../config.example.yaml) is a complete example; [config.schema.json](../config.schema.json) gives editors
completion.

` + "`name`" + ` stands for a name of your choice and ` + "`[]`" + ` for each entry of a list.

| field | type | default | meaning |
|---|---|---|---|
`)
	for _, f := range fields() {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.path, f.kind, f.initial, strings.ReplaceAll(f.doc, "|", "\\|"))
	}
	out.WriteString(`
Besides ` + "`type`" + `, a provider holds the settings of its type's driver:

| type | field | default | meaning |
|---|---|---|---|
| ` + "`local`" + ` | ` + "`path`" + ` | | The folder. It must exist. Required. |
| ` + "`local`" + ` | ` + "`layout`" + ` | ` + "`escaped`" + ` | How names become file names in a new root: ` + "`escaped`" + ` holds every key, ` + "`verbatim`" + ` keeps keys as paths. |
| ` + "`local`" + ` | ` + "`durability`" + ` | ` + "`full`" + ` | ` + "`full`" + `: a write is on the medium before it is acknowledged. ` + "`off`" + `: a power failure can lose or tear the last minutes. |
| ` + "`local`" + ` | ` + "`reserve_bytes`" + ` | ` + "`0`" + ` | Free space that uploads leave, in bytes. 0: 2 % of the file system, at most 64 MiB. -1: none. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `endpoint` + "`" + ` |  | Address of the service, as in https://s3.example.test:9000. Empty for type s3: Amazon S3 in the region. Required for minio. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `region` + "`" + ` | ` + "`" + `us-east-1` + "`" + ` | Region that requests are signed for. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `bucket` + "`" + ` |  | The bucket. It must exist. Required. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `prefix` + "`" + ` |  | Folder in the bucket that holds everything. Empty: the whole bucket. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `access_key_file` + "`" + `, ` + "`" + `secret_key_file` + "`" + ` |  | Files with the credentials, read again when they change. Both empty: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `session_token_file` + "`" + ` |  | File with the token of temporary credentials. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `ca_file` + "`" + ` |  | PEM file with the authorities that the service's certificate may come from. Empty: the system's. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `path_style` + "`" + ` | by type | true puts the bucket into the path, false into the host name. Empty: true for minio and other endpoints, false for Amazon. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `folder_clash` + "`" + ` | by type | ` + "`" + `check` + "`" + ` refuses ` + "`" + `a/b` + "`" + ` while ` + "`" + `a` + "`" + ` is an object and the other way round, because MinIO lists only one of them; ` + "`" + `ignore` + "`" + ` does not look. Empty: check for minio, what the service shows for s3. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `checksum` + "`" + ` | by type | How bodies are protected on the way: crc64nvme, crc32c, or none for services that know neither. Empty: crc32c for minio, crc64nvme for s3. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `proxy` + "`" + ` |  | http or https proxy for every request. Empty: none, whatever the environment says. |
| ` + "`s3`, `minio`" + ` | ` + "`" + `allow_plain_http` + "`" + ` | ` + "`" + `false` + "`" + ` | Permit http:// to another machine: objects are encrypted, their names, sizes and times can be seen on the way. |
`)
	return out.Bytes()
}

func fields() []field {
	var all []field
	collect(reflect.TypeFor[Config](), reflect.ValueOf(*Default()), "", &all)
	return all
}

// collect appends the fields of a struct type in order; initial is invalid below lists and maps, which begin empty.
func collect(target reflect.Type, initial reflect.Value, path string, all *[]field) {
	for member := range target.Fields() {
		name := member.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := join(path, name)
		value := reflect.Value{}
		if initial.IsValid() {
			value = initial.FieldByIndex(member.Index)
		}
		described := field{path: at, kind: kindWord(member), initial: initialText(member, value), doc: member.Tag.Get("doc")}
		*all = append(*all, described)
		descend(member.Type, value, at, all)
	}
}

func descend(target reflect.Type, initial reflect.Value, path string, all *[]field) {
	switch {
	case target == reflect.TypeFor[Provider]():
		*all = append(*all, field{path: path + ".type", kind: "text", doc: "Which driver: local, s3 or minio. Required."})
	case isSection(target):
		collect(target, initial, path, all)
	case target.Kind() == reflect.Pointer:
		descend(target.Elem(), reflect.Value{}, path, all)
	case target.Kind() == reflect.Slice:
		descend(target.Elem(), reflect.Value{}, path+"[]", all)
	case target.Kind() == reflect.Map:
		descend(target.Elem(), reflect.Value{}, path+".name", all)
	}
}

// isSection tells the structs that have fields in the file from those that stand for one value.
func isSection(target reflect.Type) bool {
	return target.Kind() == reflect.Struct && target != reflect.TypeFor[secret.String]() && target != reflect.TypeFor[Provider]()
}

func kindWord(member reflect.StructField) string {
	if words := member.Tag.Get("enum"); words != "" {
		one := "`" + strings.ReplaceAll(words, ",", "`, `") + "`"
		if member.Type.Kind() == reflect.Slice {
			return "list of " + one
		}
		return one
	}
	switch target := member.Type; {
	case target == reflect.TypeFor[time.Duration]():
		return "duration"
	case target == reflect.TypeFor[Size]():
		return "size"
	case target == reflect.TypeFor[secret.String]():
		return "secret text"
	case target.Kind() == reflect.Slice && isSection(target.Elem()):
		return "list of sections"
	case target.Kind() == reflect.Slice:
		return "list of texts"
	case target.Kind() == reflect.Map:
		return "sections by name"
	case target.Kind() == reflect.Pointer || isSection(target):
		return "section"
	case target.Kind() == reflect.Bool:
		return "true or false"
	}
	return "text"
}

func initialText(member reflect.StructField, value reflect.Value) string {
	switch member.Tag.Get("yaml") {
	case "etag":
		return "`" + defaultETag + "`"
	case "sse_c":
		return "`" + defaultSSEC + "`"
	}
	if member.Type.Kind() == reflect.Bool {
		return "`false`"
	}
	if !value.IsValid() || value.IsZero() || isSection(member.Type) {
		return ""
	}
	return fmt.Sprintf("`%v`", value.Interface())
}

// Schema returns config.schema.json, for editors.
func Schema() []byte {
	schema := sectionSchema(reflect.TypeFor[Config]())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Sallyport configuration"
	schema["required"] = []string{"state_dir", "providers", "vaults", "credentials"}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		panic(fmt.Sprintf("config: internal error: encode schema: %v", err))
	}
	return out.Bytes()
}

func sectionSchema(target reflect.Type) map[string]any {
	properties := map[string]any{}
	for member := range target.Fields() {
		name := member.Tag.Get("yaml")
		if name == "" {
			continue
		}
		schema := typeSchema(member.Type)
		if words := member.Tag.Get("enum"); words != "" {
			place := schema
			if items, ok := schema["items"].(map[string]any); ok {
				place = items
			}
			place["enum"] = strings.Split(words, ",")
		}
		schema["description"] = member.Tag.Get("doc")
		properties[name] = schema
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

func typeSchema(target reflect.Type) map[string]any {
	switch {
	case target == reflect.TypeFor[Provider]():
		return map[string]any{"type": "object", "required": []string{"type"}, "properties": map[string]any{"type": map[string]any{"type": "string"}}}
	case isSection(target):
		return sectionSchema(target)
	case target == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"}
	case target == reflect.TypeFor[Size]():
		return map[string]any{"type": "string", "pattern": "^[0-9]+[KMG]iB$"}
	case target.Kind() == reflect.Pointer:
		return typeSchema(target.Elem())
	case target.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(target.Elem())}
	case target.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(target.Elem())}
	case target.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return map[string]any{"type": "string"}
}
