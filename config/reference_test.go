package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sallyport/config"
)

func compareOrUpdate(t *testing.T, path string, want []byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("%s is not what the struct says; run: go test ./config -run Reference -update", path)
	}
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite generated files")
	flag.Parse()
	os.Exit(m.Run())
}

func TestReferenceIsCurrent(t *testing.T) {
	compareOrUpdate(t, "../docs/configuration.md", config.Reference())
}

func TestReferenceSchemaIsCurrent(t *testing.T) {
	compareOrUpdate(t, "../config.schema.json", config.Schema())
}

func TestReferenceDescribesEveryField(t *testing.T) {
	for line := range strings.SplitSeq(string(config.Reference()), "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && strings.TrimSpace(strings.TrimSuffix(cells[len(cells)-1], "|")) == "" {
			t.Errorf("no meaning: %s", line)
		}
	}
}

// The example names every field that the schema knows, or says why not.
func TestExampleFitsTheSchema(t *testing.T) {
	data, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var example any
	if err := yaml.Unmarshal(data, &example); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, "", schema, example)
}

// checkSchema understands as much of JSON schema as config.Schema writes.
func checkSchema(t *testing.T, path string, schema map[string]any, value any) {
	t.Helper()
	kind, _ := schema["type"].(string)
	switch v := value.(type) {
	case map[string]any:
		if kind != "object" {
			t.Errorf("%s: schema says %s", path, kind)
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, member := range v {
			inner, known := properties[name].(map[string]any)
			if !known {
				extra, isSchema := schema["additionalProperties"].(map[string]any)
				if schema["additionalProperties"] == false {
					t.Errorf("%s.%s: not in the schema", path, name)
				}
				if !isSchema {
					continue
				}
				inner = extra
			}
			checkSchema(t, path+"."+name, inner, member)
		}
	case []any:
		items, ok := schema["items"].(map[string]any)
		if kind != "array" || !ok {
			t.Errorf("%s: schema says %s", path, kind)
			return
		}
		for _, member := range v {
			checkSchema(t, path+"[]", items, member)
		}
	case string:
		words, limited := schema["enum"].([]any)
		found := !limited
		for _, word := range words {
			found = found || word == v
		}
		if kind != "string" || !found {
			t.Errorf("%s: %q does not fit %v", path, v, schema)
		}
	case bool:
		if kind != "boolean" {
			t.Errorf("%s: schema says %s", path, kind)
		}
	default:
		t.Errorf("%s: unexpected %T", path, value)
	}
}
