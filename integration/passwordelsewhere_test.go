package integration

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// TestPasswordChangedAtAnotherGateway: one gateway is restarted after the vault's password was changed, and the other, which serves on, reads, lists and completes
// what the first seals under the new keys.
func TestPasswordChangedAtAnotherGateway(t *testing.T) {
	needsPrograms(t)
	t.Parallel()
	m := newOnMinIO(t)
	one, two := m.gateway(t, "one", m.provider("")), m.gateway(t, "two", m.provider(""))
	makeBucket(t, &one.gateway, "changed")
	before := noise(1, 300_000)
	putObject(t, &one.gateway, "changed", "before", before)
	cli := command(t)
	for _, password := range []string{"unlikely Walrus teapot 41", "marble Quokka lantern 98"} {
		cli.run(t, "vault", "passwd", "--config", one.config, "--key-file", m.keyFile, "--new-password-file", secretFile(t, password))
	}
	one.stop()
	one.serve(t)

	after := noise(2, 300_000)
	putObject(t, &one.gateway, "changed", "after", after)
	here, there := core(t, one), core(t, two)
	id, err := here.NewMultipartUpload(t.Context(), "changed", "parts", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := there.PutObjectPart(t.Context(), "changed", "parts", id, 1, bytes.NewReader(after), int64(len(after)), minio.PutObjectPartOptions{})
	if err != nil {
		t.Fatalf("a part sent to the gateway that was not restarted: %v", err)
	}
	if _, err := there.CompleteMultipartUpload(t.Context(), "changed", "parts", id, []minio.CompletePart{{PartNumber: 1, ETag: part.ETag}}, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	putObject(t, &two.gateway, "changed", "late", before)
	for key, want := range map[string][]byte{"before": before, "after": after, "parts": after, "late": before} {
		for _, c := range []*minio.Core{here, there} {
			body, _, _, err := c.GetObject(t.Context(), "changed", key, minio.GetObjectOptions{})
			if err != nil {
				t.Fatalf("%s at %s: %v", key, c.EndpointURL(), err)
			}
			got, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil {
				t.Fatal(err)
			}
			sameBytes(t, key, want, got)
		}
	}
	for name, s := range map[string]*server{"restarted": one, "not restarted": two} {
		if strings.Contains(s.stderr.String(), "integrity alarm") {
			t.Errorf("the gateway that was %s raises an alarm", name)
		}
		s.noServerErrors(t)
	}
	if !strings.Contains(two.stderr.String(), "a newer vault file was taken") || !strings.Contains(two.metrics(t), `sallyport_vault_file_generation{vault="main"} 3`) {
		t.Error("nothing tells that the newer vault file was taken")
	}
}
