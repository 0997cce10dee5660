//go:build poc

package s3api

import (
	"bytes"
	"runtime"
	"testing"
)

// TestPoCAttributesCostMoreThanTheDocument: the elements of a document are bounded and its attributes are not, each of which takes many times
// its length in memory. Anybody with an access key, also one that is allowed nothing, can send such a document.
func TestPoCAttributesCostMoreThanTheDocument(t *testing.T) {
	data := append(append([]byte("<Delete "), bytes.Repeat([]byte(`a="" `), (maxLargeDocument-100)/5)...), "><Object><Key>k</Key></Object></Delete>"...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := parseDelete(data)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil && used > 4*uint64(len(data)) {
		t.Errorf("a document of %d bytes was accepted and took %d bytes to parse", len(data), used)
	}
}
