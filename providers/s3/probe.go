package s3

import (
	"time"

	"sallyport/providers/driver"
)

// Probe is what was found out about a service by trying. Capabilities come from it, so one that is remembered must be of the same endpoint, bucket
// and version of the service. It can be kept as JSON.
type Probe struct {
	At time.Time `json:"at"`

	CreateIfAbsent    bool `json:"create_if_absent"`   // PUT If-None-Match, one winner of each race
	ReplaceIfMatch    bool `json:"replace_if_match"`   // PUT If-Match, one winner of each race
	CompleteIfAbsent  bool `json:"complete_if_absent"` // the same when an upload completes
	CompleteIfMatch   bool `json:"complete_if_match"`  //
	ConditionalDelete bool `json:"conditional_delete"` // DELETE If-Match
	ReadAfterWrite    bool `json:"read_after_write"`   // a read shows the last write, also over an older object
	StrongList        bool `json:"list_after_write"`   // and so does a list
	SuffixRange       bool `json:"suffix_range"`       // "the last n bytes" is understood
	FolderClash       bool `json:"folder_clash"`       // "a/b" is hidden or refused while "a" exists
	MixesNames        bool `json:"mixes_names"`        // "a//b" is refused or is the object "a/b"
	NoSlashAtEnd      bool `json:"no_slash_at_end"`    // "a/" is refused or cannot be read
	Versioned         bool `json:"versioned"`          // the bucket keeps what is overwritten and deleted
}

// Finding is one answer of a probe in words.
type Finding struct {
	Question string
	Yes      bool
	Good     bool   // whether Yes is what one wishes for
	Follows  string // what follows from the answer as it is
}

// Findings returns all answers with what follows from them.
func (p *Probe) Findings() []Finding {
	pick := func(question string, yes, wish bool, ifYes, ifNo string) Finding {
		f := Finding{Question: question, Yes: yes, Good: yes == wish, Follows: ifYes}
		if !yes {
			f.Follows = ifNo
		}
		return f
	}
	const conditions = "several gateways may share this bucket"
	const alone = "conditional requests are answered 501, and one gateway at most may use this bucket, with single_gateway: true"
	return []Finding{
		pick("creates an object only if there is none", p.CreateIfAbsent, true, conditions, alone),
		pick("replaces an object only if it is unchanged", p.ReplaceIfMatch, true, conditions, alone),
		pick("completes an upload only if there is no object", p.CompleteIfAbsent, true, conditions, alone),
		pick("completes an upload only if the object is unchanged", p.CompleteIfMatch, true, conditions, alone),
		pick("deletes an object only if it is unchanged", p.ConditionalDelete, true, "conditional deletes work", "conditional deletes are answered 501, unless single_gateway: true"),
		pick("reads show the last write", p.ReadAfterWrite, true, "nothing to do", "do not use this bucket: an acknowledged write may read as the one before"),
		pick("lists show the last write", p.StrongList, true, "nothing to do", "lists may lag behind: do not sync with deletion against them"),
		pick("understands a range from the end", p.SuffixRange, true, "nothing to do", "each such read costs one more request"),
		pick("hides a/b while a exists", p.FolderClash, false, "a write of one while the other exists is refused (option folder_clash); vaults with encrypted names are not concerned", "nothing to do"),
		pick("takes a//b for a/b, or refuses it", p.MixesNames, false, mixedNames, "nothing to do"),
		pick("loses or refuses an object whose name ends in a slash", p.NoSlashAtEnd, false, slashNames, "nothing to do"),
		pick("keeps versions", p.Versioned, false, "deleted and overwritten objects go on costing space until a lifecycle rule for noncurrent versions removes them", "nothing to do"),
	}
}

const (
	mixedNames = "keys with a leading or doubled slash, and with . or .. or more than 255 bytes between two slashes, are refused: the service would refuse them too, or take them for others; use other keys"
	slashNames = "keys that end in a slash are refused: the service would refuse them too, or lose what they hold; use other keys"
)

// RefusedNames says which names the driver refuses because the service would not hold them exactly.
func (p *Probe) RefusedNames() []string {
	var refused []string
	if p.MixesNames {
		refused = append(refused, mixedNames)
	}
	if p.NoSlashAtEnd {
		refused = append(refused, slashNames)
	}
	return refused
}

// Shared reports whether several gateways may use the root at once: without these conditions one would undo what another acknowledged.
func (p *Probe) Shared() bool {
	return p.CreateIfAbsent && p.ReplaceIfMatch && p.CompleteIfAbsent && p.CompleteIfMatch && p.ReadAfterWrite
}

func (p *Probe) capabilities(maxKey int) driver.Capabilities {
	return driver.Capabilities{
		PutIfNoneMatch: p.CreateIfAbsent, PutIfMatch: p.ReplaceIfMatch, CompleteIfNoneMatch: p.CompleteIfAbsent, CompleteIfMatch: p.CompleteIfMatch,
		ConditionalDelete: p.ConditionalDelete, StrongList: p.StrongList, CopyPart: true,
		MinPart: minPart, MaxPart: maxPart, MaxObject: maxObject, SplitAbove: splitAbove, MaxKey: maxKey,
	}
}

// Probe returns what Open found out, or was told.
func (b *Bucket) Probe() Probe { return b.probe }
