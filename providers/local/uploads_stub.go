package local

import (
	"context"

	"sallyport/providers/driver"
)

// Uploads returns the multipart side.
func (f *Folder) Uploads() driver.Uploads { return nil }

func (f *Folder) sweepParts(context.Context) (int, error) { return 0, nil }
