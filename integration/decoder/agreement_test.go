package decoder

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// sealOne seals a message of less than 16 KiB as section 1 says.
func sealOne(key []byte, context string, salt, plain []byte) []byte {
	material := expand(key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"+string(salt)+context, 76)
	block, err := aes.NewCipher(material[:32])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead.Seal(slices.Concat(salt, material[44:]), material[32:44], plain, nil)
}

// resealed is the file with other metadata in its tail.
func resealed(vault *openedVault, file []byte, metadata string) []byte {
	at := len(file) - 3904
	clear := file[at : at+64]
	secret := expand(expand(vault.roots[vault.epoch], word("obj"), 32), word("os-v")+string(vault.id)+string(clear[12:16])+string(clear[32:64]), 32)
	padded := append([]byte(metadata), make([]byte, 3768-len(metadata))...)
	salt := bytes.Repeat([]byte{byte(len(metadata))}, 24)
	return slices.Concat(file[:at+64], sealOne(expand(secret, word("tail"), 32), word("tail")+string(clear), salt, padded))
}

// The gateway and the decoder must take and refuse the same metadata, where section 2 and section 10 leave a choice to writers.
func TestGatewayAndDecoderAgreeOnMetadata(t *testing.T) {
	needsPython(t)
	g := startGateway(t)
	core := g.client(t)
	if err := core.MakeBucket(t.Context(), freshBucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	content := []byte("agreed")
	if _, err := core.Client.PutObject(t.Context(), freshBucket, "k", bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	vault := g.openVault(t)
	path := g.objectFiles(t)[0]
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var jobs []job
	var accepted []bool
	cases := metadataCases(original[56:80], original[80:112])
	for i, c := range cases {
		file := resealed(vault, original, c.text)
		replaced := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(replaced, file, 0o600); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job{File: replaced, Vault: hex.EncodeToString(vault.id), Epoch: uint32(vault.epoch), RootKey: hex.EncodeToString(vault.roots[vault.epoch])})
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, serves(t, core, content))
	}
	for i, got := range decode(t, jobs) {
		if c := cases[i]; (got.Result == "ok") != c.legal || accepted[i] != c.legal {
			t.Errorf("%s: legal %v, decoder %s (%s), gateway serves it: %v", c.name, c.legal, got.Result, got.Why, accepted[i])
		}
	}
}

func serves(t *testing.T, core *minio.Core, want []byte) bool {
	t.Helper()
	body, err := core.Client.GetObject(t.Context(), freshBucket, "k", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err == nil && !bytes.Equal(content, want) {
		t.Errorf("the gateway serves %q", content)
	}
	return err == nil
}

type metadataCase struct {
	name  string
	legal bool
	text  string
}

// metadataCases are tails for the object "k" of six bytes in one frame of this salt and commitment.
func metadataCases(salt, commitment []byte) (cases []metadataCase) {
	plain := fmt.Sprintf(`{"p":6,"n":1,"pn":0,"fs":%q,"fc":%q,"b":%q,"k":"k","t":1790000000123,"w":0}`,
		base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(commitment), freshBucket)
	nested := func(levels int) string {
		return `,"zz":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "}"
	}
	ending := func(legal bool, name, more string) {
		cases = append(cases, metadataCase{name, legal, strings.TrimSuffix(plain, "}") + more})
	}
	swap := func(legal bool, name, old, replacement string) {
		if !strings.Contains(plain, old) {
			panic(old)
		}
		cases = append(cases, metadataCase{name, legal, strings.Replace(plain, old, replacement, 1)})
	}
	ending(true, "unchanged", "}")
	ending(true, "white space behind", "} \n")
	ending(false, "second value behind", "}{}")
	ending(true, "unknown lower-case key", `,"later":[1e5,-0.5,null]}`)
	ending(false, "unknown upper-case key", `,"Later":1}`)
	ending(false, "unknown key that begins with a digit", `,"1":1}`)
	ending(false, "empty key", `,"":1}`)
	ending(false, "known key in upper case", `,"K":"k"}`)
	ending(false, "duplicate through an escape", `,"\u0077":0}`)
	ending(false, "duplicate deep inside", `,"zz":[{"a":1,"a":1}]}`)
	ending(false, "half a surrogate pair deep inside", `,"zz":["\ud800"]}`)
	ending(false, "half a surrogate pair in a key deep inside", `,"zz":{"\udc00":1}}`)
	ending(true, "eight levels below", nested(8))
	ending(false, "nine levels below", nested(9))
	ending(false, "NaN", `,"zz":NaN}`)
	ending(false, "leading zero", `,"zz":01}`)
	ending(false, "plus sign", `,"zz":+1}`)
	ending(false, "control character in a string", ",\"zz\":\"\x01\"}")
	ending(false, "comma at the end", `,}`)
	ending(false, "byte order mark", "}\ufeff")
	swap(true, "escaped key name", `"k":"k"`, `"\u006b":"\u006B"`)
	swap(false, "fraction in an integer", `"w":0`, `"w":0.0`)
	swap(false, "exponent in an integer", `"w":0`, `"w":0e0`)
	swap(false, "negative zero", `"w":0`, `"w":-0`)
	swap(false, "negative", `"w":0`, `"w":-1`)
	swap(false, "integer as string", `"w":0`, `"w":"0"`)
	swap(false, "integer beyond 63 bits", `"w":0`, `"w":9223372036854775808`)
	swap(true, "greatest writer", `"w":0`, `"w":2147483647`)
	swap(false, "writer too great", `"w":0`, `"w":2147483648`)
	swap(false, "writer missing", `,"w":0`, ``)
	swap(false, "time missing", `"t":1790000000123,`, ``)
	swap(true, "end of the year 9999", `1790000000123`, `253402300799999`)
	swap(false, "year 10000", `1790000000123`, `253402300800000`)
	swap(false, "null for an integer", `"w":0`, `"w":null`)
	swap(false, "part number missing", `"pn":0,`, ``)
	swap(false, "part number too large", `"pn":0`, `"pn":10001`)
	swap(false, "no frame", `"n":1,"pn":0`, `"n":0`)
	swap(false, "too many frames", `"n":1,"pn":0`, `"n":10001`)
	swap(false, "another length", `"p":6`, `"p":5`)
	swap(false, "empty bucket", `"b":"`+freshBucket+`"`, `"b":""`)
	swap(false, "null bucket", `"b":"`+freshBucket+`"`, `"b":null`)
	swap(false, "base64 with a line break", `"fs":"`, `"fs":"\n`)
	swap(false, "base64 without padding", `=","b"`, `","b"`)
	for _, field := range []struct {
		legal      bool
		name, text string
	}{
		{true, "ETag", `"e":"00d9712ec5eb70807a73b8d2d6ead90d"`},
		{true, "ETag of parts", `"e":"00d9712ec5eb70807a73b8d2d6ead90d-10000"`},
		{true, "ETag of another form", `"e":"x"`},
		{false, "ETag that is a number", `"e":1`},
		{false, "null ETag", `"e":null`},
		{true, "empty headers", `"h":{},"hx":{},"m":{},"mx":{}`},
		{false, "headers null", `"h":null`},
		{false, "header not a string", `"h":{"content-type":1}`},
		{true, "header name in upper case", `"h":{"Content-Type":"a"}`},
		{true, "user metadata name in upper case", `"m":{"Colour":"a"}`},
		{true, "raw value that is UTF-8", `"mx":{"colour":"YQ=="}`},
		{true, "empty value", `"m":{"colour":""}`},
		{false, "raw value with stray bits", `"mx":{"colour":"YR=="}`},
		{false, "name in m and mx", `"m":{"a":"a"},"mx":{"a":"/w=="}`},
		{true, "name in h and m", `"h":{"content-type":"a"},"m":{"content-type":"b"}`},
		{true, "checksum", `"ck":{"a":"CRC32","t":"FULL_OBJECT","v":"AAAAAA=="}`},
		{true, "unknown lower-case key in ck", `"ck":{"a":"CRC32","t":"FULL_OBJECT","v":"AAAAAA==","later":1}`},
		{false, "unknown upper-case key in ck", `"ck":{"a":"CRC32","t":"FULL_OBJECT","v":"AAAAAA==","Later":1}`},
		{true, "checksum of empty strings", `"ck":{"a":"","t":"","v":""}`},
		{false, "checksum of an only part after a single PUT", `"ck":{"a":"CRC32","t":"FULL_OBJECT","v":"AAAAAA==","pv":"AAAAAA=="}`},
		{false, "checksum null", `"ck":null`},
		{false, "checksum without algorithm", `"ck":{"t":"FULL_OBJECT","v":"AAAAAA=="}`},
		{false, "checksum without type", `"ck":{"a":"CRC32","v":"AAAAAA=="}`},
		{false, "checksum without value", `"ck":{"a":"CRC32","t":"FULL_OBJECT"}`},
		{true, "checksum of an unknown algorithm", `"ck":{"a":"BLAKE9","t":"COMPOSITE","v":"x"}`},
	} {
		ending(field.legal, field.name, ","+field.text+"}")
	}
	return cases
}
