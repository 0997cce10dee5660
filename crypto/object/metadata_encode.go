package object

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"sallyport/crypto/format"
)

// encode returns the JSON text of a tail. It refuses what the decoder would refuse, so that nothing is sealed that cannot be read.
func (m *Metadata) encode() ([]byte, error) {
	if err := m.CheckBudget(); err != nil {
		return nil, err
	}
	single := m.Frames == 1
	switch millis := m.Time.UnixMilli(); {
	case m.Plain < 0 || m.Plain > MaxPlainSize, m.Frames < 1 || m.Frames > MaxParts:
		return nil, fmt.Errorf("%w: size or number of frames", ErrInvalidMetadata)
	case single != (m.PartNumber != nil), single && (*m.PartNumber < 0 || *m.PartNumber > MaxParts):
		return nil, fmt.Errorf("%w: part number", ErrInvalidMetadata)
	case m.Checksum != nil && m.byMultipartOfOne() == (m.Checksum.PartValue == ""):
		return nil, fmt.Errorf("%w: checksum of the only part", ErrInvalidMetadata)
	case millis < 0 || millis > maxMillis || m.Writer < 0 || m.Writer > math.MaxInt32:
		return nil, fmt.Errorf("%w: time or writer", ErrInvalidMetadata)
	}
	var e format.Encoder
	e.Int("p", m.Plain)
	e.Int("n", int64(m.Frames))
	if single {
		e.Int("pn", int64(*m.PartNumber))
	}
	e.Bytes("fs", m.FrameSalt[:])
	e.Bytes("fc", m.Commitment[:])
	m.encodeBudgeted(&e)
	if m.ETag != "" {
		e.Str("e", m.ETag)
	}
	if m.Checksum != nil {
		e.Raw("ck", m.Checksum.encode())
	}
	m.encodeMaps(&e)
	e.Int("t", m.Time.UnixMilli())
	e.Int("w", int64(m.Writer))
	for _, u := range m.unknown {
		e.Raw(u.Key, u.Value.Raw)
	}
	text := e.Finish()
	if len(text) > metadataSize {
		return nil, ErrMetadataTooLarge
	}
	return text, nil
}

func (m *Metadata) encodeBudgeted(e *format.Encoder) {
	e.Str("b", m.Bucket)
	e.Str("k", m.Key)
}

func (m *Metadata) encodeMaps(e *format.Encoder) {
	encodeMap(e, "h", "hx", m.Headers)
	encodeMap(e, "m", "mx", m.UserMetadata)
}

// encodeMap writes the values that are valid UTF-8 under one key and the others, as base64, under the other.
func encodeMap(e *format.Encoder, textKey, bytesKey string, values map[string]string) {
	text, raw := make(map[string]string), make(map[string]string)
	for name, value := range values {
		if utf8.ValidString(value) {
			text[name] = value
		} else {
			raw[name] = value
		}
	}
	if len(text) > 0 {
		e.Map(textKey, text)
	}
	if len(raw) > 0 {
		e.BytesMap(bytesKey, raw)
	}
}

func (c *Checksum) encode() []byte {
	var e format.Encoder
	e.Str("a", c.Algorithm)
	e.Str("t", c.Type)
	e.Str("v", c.Value)
	if c.PartValue != "" {
		e.Str("pv", c.PartValue)
	}
	for _, u := range c.unknown {
		e.Raw(u.Key, u.Value.Raw)
	}
	return e.Finish()
}

// checkText refuses what JSON cannot hold or a reader would not take.
func (m *Metadata) checkText() error {
	if m.Bucket == "" || m.Key == "" {
		return fmt.Errorf("%w: bucket or key is empty", ErrInvalidMetadata)
	}
	texts := []string{m.Bucket, m.Key, m.ETag}
	if c := m.Checksum; c != nil {
		texts = append(texts, c.Algorithm, c.Type, c.Value, c.PartValue)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%w: not valid UTF-8", ErrInvalidMetadata)
		}
	}
	if err := checkNames(m.Headers); err != nil {
		return err
	}
	return checkNames(m.UserMetadata)
}

func checkNames(values map[string]string) error {
	for name := range values {
		if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' }) {
			return fmt.Errorf("%w: name must be lower-case", ErrInvalidMetadata)
		}
	}
	return nil
}
