package split

// names are what GGUF calls splits.
var names = map[string]Func{
	"": plain, "default": plain,
	"gpt-2": gpt2.split, "olmo": gpt2.split, "phi-2": gpt2.split, "jais": gpt2.split,
	"llama-bpe": llama3.split, "llama3": llama3.split, "llama-v3": llama3.split, "dbrx": llama3.split, "smaug-bpe": llama3.split,
	"qwen2": qwen2.split, "stablelm2": qwen2.split, "deepseek-r1-qwen": qwen2.split, "megrez": qwen2.split,
	"gpt-4o": o200k.split, "llama4": o200k.split, "minimax-m2": o200k.split,
	"smollm": Then(SingleDigits, gpt2.split), "starcoder": Then(SingleDigits, gpt2.split),
	"refact": Then(SingleDigits, gpt2.split), "command-r": Then(SingleDigits, gpt2.split),
}

// ByName finds the split that GGUF calls so; "" is what llama.cpp does for a file
// that names none.
func ByName(name string) (Func, bool) {
	f, ok := names[name]
	return f, ok
}

// Expressions that are matched by hand.
const (
	GPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	Llama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	Qwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	O200k  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var patterns = map[string]Func{
	GPT2: gpt2.split, Llama3: llama3.split, Qwen2: qwen2.split, O200k: o200k.split,
}

// ByExpression finds the split that isolates what an expression matches, if it
// is one of those that are matched by hand.
func ByExpression(expr string) (Func, bool) {
	f, ok := patterns[expr]
	return f, ok
}
