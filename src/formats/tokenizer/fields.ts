// A value parsed from tokenizer.json -> a typed field of it, or an error that names the field.
import { fail } from "../../errors.js";

/** A JSON object whose members are not yet checked. */
export type Json = Readonly<Record<string, unknown>>;

/** Nested `Sequence` entries deeper than this are an attack, not a tokenizer. */
const MAX_DEPTH = 32;

/** `value` as a JSON object; `where` is the field's path inside tokenizer.json. */
export function objectField(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    wrongType(value, where, "an object");
  return value as Json;
}

/** `value` as a list. */
export function listField(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) wrongType(value, where, "a list");
  return value as readonly unknown[];
}

/** `value` as a string; `fallback` when it is absent or null. */
export function stringField(value: unknown, where: string, fallback?: string): string {
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  if (typeof value !== "string") wrongType(value, where, "a string");
  return value as string;
}

/** `value` as a truth value; `fallback` when it is absent or null. */
export function booleanField(value: unknown, where: string, fallback: boolean): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== "boolean") wrongType(value, where, "true or false");
  return value as boolean;
}

/** `value` as a whole number from 0 to `max`; `fallback` when it is absent or null. */
export function countField(value: unknown, where: string, max: number, fallback?: number): number {
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max)
    wrongType(value, where, `a whole number from 0 to ${max}`);
  return value as number;
}

/** The members of a `Sequence` entry. */
export function sequenceField(value: unknown, where: string, depth: number): readonly unknown[] {
  if (depth > MAX_DEPTH) fail("tokenizer", `nested more than ${MAX_DEPTH} deep`, { where });
  return listField(value, where);
}

/** Refuses a kind of entry that is not implemented: ignoring it would change the token ids in silence. */
export function unsupported(type: unknown, where: string, known: readonly string[]): never {
  return fail("tokenizer", `type ${show(type)} is not supported`, {
    where,
    fix: `supported here: ${known.join(", ")}`,
  });
}

function wrongType(value: unknown, where: string, expected: string): never {
  return fail("tokenizer", `expected ${expected}, found ${show(value)}`, { where });
}

function show(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
