//go:build !race

package objects

const raceDetector = false
