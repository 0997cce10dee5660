//go:build unix

package local

// addMode says whether others can write to the root.
func (r *rootFS) addMode(v Volume) (Volume, error) {
	info, err := r.top.Stat()
	if err != nil {
		return Volume{}, err
	}
	v.SharedWithOther = info.Mode().Perm()&0o022 != 0
	return v, nil
}
