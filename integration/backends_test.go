package integration

import (
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// storages are what the clients' tests run over: the same test and the same expectations for each.
func storages() map[string]func(t testing.TB, withTLS bool) *server {
	return map[string]func(testing.TB, bool) *server{
		"folder": func(t testing.TB, withTLS bool) *server {
			t.Helper()
			return newServerIn(t, t.TempDir(), withTLS)
		},
		"minio": func(t testing.TB, withTLS bool) *server {
			t.Helper()
			return newMinIOServer(t, withTLS, "")
		},
	}
}

// newMinIOServer serves a vault in a MinIO of its own.
func newMinIOServer(t testing.TB, withTLS bool, vault string) *server {
	t.Helper()
	m := newStorage(t)
	s := newServerOver(t, t.TempDir(), withTLS, m.provider(""), vault)
	s.stored = m.objects
	return s
}

// onEachStorage runs a client's test over a gateway on each storage, at the same time.
func onEachStorage(t *testing.T, withTLS bool, test func(t *testing.T, s *server)) {
	t.Helper()
	needsPrograms(t)
	for name, open := range storages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, withTLS))
		})
	}
}

// objects are the names of the vault's objects in the bucket.
func (m *onMinIO) objects(t testing.TB) (names []string) {
	t.Helper()
	for o := range m.client.ListObjectsIter(t.Context(), sealedBucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if !strings.HasPrefix(o.Key, ".sallyport/") {
			names = append(names, o.Key)
		}
	}
	return names
}
