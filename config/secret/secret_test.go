package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sallyport/config/secret"
)

const canary = "canary-7f3a91"

// forms holds the canary in every shape a formatter could give it.
func forms() []string {
	return []string{
		canary,
		fmt.Sprintf("%x", canary),
		fmt.Sprintf("%X", canary),
		fmt.Sprintf("%q", canary),
		fmt.Sprint([]byte(canary)),
		"Y2FuYXJ5LTdmM2E5MQ==",
	}
}

func requireHidden(t *testing.T, how, got string) {
	t.Helper()
	for _, form := range forms() {
		if strings.Contains(got, form) {
			t.Errorf("%s shows the secret: %s", how, got)
		}
	}
}

func TestNoFormatterShowsTheSecret(t *testing.T) {
	type hidden struct {
		text  secret.String
		bytes secret.Bytes
	}
	type shown struct {
		Text    secret.String
		Bytes   secret.Bytes
		Pointer *secret.String
	}
	text, data := secret.NewString(canary), secret.NewBytes([]byte(canary))
	values := map[string]any{
		"text": text, "bytes": data, "text pointer": &text, "bytes pointer": &data,
		"unexported fields": hidden{text, data}, "pointer to unexported": &hidden{text, data},
		"exported fields": shown{text, data, &text}, "slice": []secret.String{text}, "map": map[string]secret.Bytes{"k": data},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T", "%c", "%U", "%o", "%10v", "%-40s", "%!"} {
			requireHidden(t, name+" "+verb, fmt.Sprintf(verb, value))
		}
		requireHidden(t, name+" error", fmt.Errorf("failed: %v", value).Error())
		if encoded, err := json.Marshal(value); err == nil {
			requireHidden(t, name+" json", string(encoded))
		}
		if encoded, err := xml.Marshal(value); err == nil {
			requireHidden(t, name+" xml", string(encoded))
		}
		if name != "unexported fields" && name != "pointer to unexported" {
			encoded, err := yaml.Marshal(value)
			if err != nil {
				t.Errorf("%s: marshal yaml: %v", name, err)
			}
			requireHidden(t, name+" yaml", string(encoded))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "a", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "a", value)
		requireHidden(t, name+" slog", log.String())
	}
}

func TestRedactedIsShown(t *testing.T) {
	encoded, err := json.Marshal(map[string]any{"a": secret.NewString(canary), "b": secret.NewBytes([]byte(canary))})
	if err != nil || string(encoded) != `{"a":"REDACTED","b":"REDACTED"}` {
		t.Errorf("json = %s, %v", encoded, err)
	}
	if got := fmt.Sprintf("%v %#v %x", secret.NewString(canary), secret.NewBytes(nil), secret.NewString(canary)); got != "REDACTED REDACTED REDACTED" {
		t.Errorf("fmt = %s", got)
	}
}

func TestStringEqual(t *testing.T) {
	var zero secret.String
	a, b, c := secret.NewString("one"), secret.NewString("one"), secret.NewString("two")
	if !a.Equal(b) || a.Equal(c) || a.Equal(zero) || !zero.Equal(secret.NewString("")) {
		t.Error("Equal disagrees with the texts")
	}
	if !zero.IsZero() || !secret.NewString("").IsZero() || a.IsZero() || zero.Reveal() != "" {
		t.Error("IsZero disagrees with the texts")
	}
}

func TestBytesOwnItsBuffer(t *testing.T) {
	var zero secret.Bytes
	original := []byte("one")
	a := secret.NewBytes(original)
	clear(original)
	if string(a.Reveal()) != "one" || a.Text().Reveal() != "one" {
		t.Error("the secret aliases the caller's slice")
	}
	if !a.Equal(secret.NewBytes([]byte("one"))) || a.Equal(zero) || a.Equal(secret.NewBytes([]byte("onf"))) || !zero.IsZero() || a.IsZero() {
		t.Error("Equal or IsZero disagrees with the bytes")
	}
	held, copied := a.Reveal(), a
	a.Clear()
	zero.Clear()
	if !bytes.Equal(held, make([]byte, 3)) || !copied.IsZero() {
		t.Error("Clear left the secret in memory")
	}
}

func TestYAMLDecodesTheTextAsWritten(t *testing.T) {
	var got struct {
		Plain, Number, Quoted secret.String
		Absent                secret.String
	}
	if err := yaml.Unmarshal([]byte("plain: abc\nnumber: 0012\nquoted: \" x \"\n"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Plain.Reveal() != "abc" || got.Number.Reveal() != "0012" || got.Quoted.Reveal() != " x " || !got.Absent.IsZero() {
		t.Errorf("decoded %q %q %q", got.Plain.Reveal(), got.Number.Reveal(), got.Quoted.Reveal())
	}
}
