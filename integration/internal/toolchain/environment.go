package toolchain

import (
	"os"
	"slices"
	"strings"
)

// Environ returns a copy of this process's environment for a client or server under test, without the variables by which the machine's user steers
// such programs: credentials, endpoints, certificate bundles (AWS_CA_BUNDLE alone breaks several clients) and the configuration of MinIO, mc,
// rclone, restic, kopia and Sallyport. Append what the test itself wants; a later entry wins.
func Environ() []string {
	// A slice and not a package variable, so that nobody can change it.
	steering := []string{"AWS_", "MINIO_", "MC_", "RCLONE_", "RESTIC_", "KOPIA_", "S3_", "SALLYPORT_"}
	return withoutVariables(os.Environ(), func(name string) bool {
		return slices.ContainsFunc(steering, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
}

// withoutVariables returns the entries whose name drop does not reject, in a new slice.
func withoutVariables(environ []string, drop func(name string) bool) []string {
	kept := make([]string, 0, len(environ))
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !drop(name) {
			kept = append(kept, entry)
		}
	}
	return kept
}
