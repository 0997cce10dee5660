package config

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Size is a number of bytes, written as in 512MiB.
type Size int64

// UnmarshalYAML implements yaml.Unmarshaler. The error does not repeat the value.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	size, ok := parseSize(node.Value)
	if !ok {
		return fmt.Errorf("line %d: not a size", node.Line)
	}
	*s = size
	return nil
}

// parseSize takes whole numbers of KiB, MiB and GiB.
func parseSize(text string) (Size, bool) {
	for suffix, unit := range map[string]Size{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, found := strings.CutSuffix(text, suffix); found {
			n, err := strconv.ParseUint(number, 10, 63)
			return Size(n) * unit, err == nil && number == strconv.FormatUint(n, 10) && Size(n) <= maxSize/unit
		}
	}
	return 0, false
}

// maxSize is a mistake in any unit.
const maxSize = 1 << 50
