package objects

import (
	"bytes"
	"testing"

	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
)

// TestPartLimits: what cannot become part of an object is refused before its body is read. Part 10000 is always held and goes to the backend twice.
func TestPartLimits(t *testing.T) {
	w := newWorld(t, worldOptions{})
	id := w.begin("k")
	for what, tc := range map[string]struct {
		number int
		size   int64
		want   Kind
	}{
		"part 0":                        {0, 1, InvalidArgument},
		"part 10001":                    {object.MaxParts + 1, 1, InvalidArgument},
		"size unknown":                  {1, -1, InvalidArgument},
		"a frame above 5 GiB":           {1, 5_363_471_233, EntityTooLarge},
		"a held part above 4 GiB":       {object.MaxParts, 4<<30 + 1, EntityTooLarge},
		"the most before the last part": {object.MaxParts - 1, 5_363_471_232, IncompleteBody},
		"the most of the last part":     {object.MaxParts, 4 << 30, IncompleteBody},
	} {
		body := checksum.NewReader(untouched{t}, nil)
		if tc.want == IncompleteBody { // as far as the body, of which there is none
			body = checksum.NewReader(bytes.NewReader(nil), &checksum.Options{Size: tc.size})
		}
		wantKind(t, what, second(w.PutPart(t.Context(), &PutPartInput{UploadRef: ref("k", id), Number: tc.number, Size: tc.size, Body: body})), tc.want)
	}
}
