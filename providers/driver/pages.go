package driver

import (
	"cmp"
	"strings"
)

// MaxPage is how many entries a page has at most.
const MaxPage = 1000

func pageSize(limit int) int {
	if limit <= 0 || limit > MaxPage {
		return MaxPage
	}
	return limit
}

// PageSize returns how many entries the page has at most.
func (o *ListOptions) PageSize() int { return pageSize(o.Limit) }

// PageSize returns how many uploads the page has at most.
func (o *ListUploadsOptions) PageSize() int { return pageSize(o.Limit) }

// Wants reports whether up, if it is open, stands on this page or a later one.
func (o *ListUploadsOptions) Wants(up Upload) bool {
	if !strings.HasPrefix(up.Key, o.Prefix) {
		return false
	}
	if up.Key == o.After {
		return o.UploadAfter != "" && up.ID > o.UploadAfter
	}
	return up.Key > o.After
}

// Compare orders uploads as they are listed: by key, then by id, byte by byte.
func (up Upload) Compare(other Upload) int {
	return cmp.Or(strings.Compare(up.Key, other.Key), strings.Compare(up.ID, other.ID))
}
