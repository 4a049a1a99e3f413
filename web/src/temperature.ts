const LEAST = 1e-15 // a probability of 0 has no logarithm

/** softmax(ln p / temperature), which sums to 1; at temperature 1 as it came. As runtime/decision.py. */
export function atTemperature(probabilities: Float32Array, temperature: number): Float32Array {
  if (temperature === 1) return probabilities
  const sum = total(probabilities)
  const raised = Array.from(probabilities, (p) => Math.max(p / sum, LEAST) ** (1 / temperature))
  const all = total(raised)
  return Float32Array.from(raised, (p) => p / all)
}

function total(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum
}
