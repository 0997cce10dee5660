//go:build race

package objects

const raceDetector = true
