package s3

import (
	"context"

	"sallyport/providers/driver"
)

// Probe is what was found out about a service by trying.
type Probe struct {
	StrongList, FolderClash bool
}

func (b *Bucket) runProbe(context.Context) (*Probe, error) {
	return &Probe{StrongList: true, FolderClash: true}, nil
}

func (p *Probe) capabilities(maxKey int) driver.Capabilities {
	return driver.Capabilities{
		PutIfNoneMatch: true, PutIfMatch: true, CompleteIfNoneMatch: true, CompleteIfMatch: true, StrongList: p.StrongList, CopyPart: true,
		MinPart: minPart, MaxPart: maxPart, MaxObject: maxObject, SplitAbove: splitAbove, MaxKey: maxKey,
	}
}

// Probe returns what is known of the service.
func (b *Bucket) Probe() Probe { return b.probe }
