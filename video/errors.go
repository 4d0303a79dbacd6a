package video

import "fmt"

// configError says that a field of a config.json has the wrong value.
func configError(field string, got, want any) error {
	return fmt.Errorf("video: config.json: %s is %q, want %q", field, got, want)
}

// rangeError says that a number lies outside what is allowed.
func rangeError(field string, got, low, high int) error {
	return fmt.Errorf("video: config.json: %s is %d, want %d to %d", field, got, low, high)
}
