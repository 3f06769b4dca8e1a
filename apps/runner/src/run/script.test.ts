import { describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { expectStep, Script, type ScriptStep, typeStep } from './script.ts';
import { parseTypedText } from './typed-text.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

function scripted(...steps: ScriptStep[]): { script: Script; typed: string[] } {
  const typed: string[] = [];
  const script = new Script(steps, (sent) => typed.push(Buffer.from(sent).toString('latin1')));
  return { script, typed };
}

describe('Script', () => {
  test('types after the match, not before, and is done after the last step', () => {
    const { script, typed } = scripted(expectStep('login:'), typeStep('root\\n'), expectStep('\\$ '));
    script.start();
    script.output(bytes('Debian log'));
    expect(typed).toEqual([]);
    script.output(bytes('in: '));
    expect(typed).toEqual(['root\r']);
    expect(script.waitingFor).toBe('\\$ ');
    script.output(bytes('$ '));
    expect(script.done).toBe(true);
    expect(script.waitingFor).toBeNull();
  });

  test('a match uses its output up: the next pattern needs new output', () => {
    const { script } = scripted(expectStep('grub>'), expectStep('grub>'));
    script.output(bytes('grub>'));
    expect(script.done).toBe(false);
    script.output(bytes(' ls\r\ngrub>'));
    expect(script.done).toBe(true);
  });

  test('what follows a match in the same chunk counts for the next pattern', () => {
    const { script, typed } = scripted(expectStep('a'), typeStep('1'), expectStep('b'), typeStep('2'));
    script.output(bytes('xaxb'));
    expect(typed).toEqual(['1', '2']);
  });

  test('^ and $ match at lines; characters may be split over chunks', () => {
    const { script } = scripted(expectStep('^é$'));
    script.output(bytes('x\né\n').subarray(0, 3));
    script.output(bytes('x\né\n').subarray(3));
    expect(script.done).toBe(true);
  });

  test('text before any pattern is typed at the start; an empty script is done', () => {
    const { script, typed } = scripted(typeStep('hi'));
    script.start();
    expect(typed).toEqual(['hi']);
    expect(scripted().script.done).toBe(true);
  });

  test('output that comes back while typing is matched once', () => {
    const typed: string[] = [];
    const script: Script = new Script(
      [expectStep('>'), typeStep('a'), expectStep('A'), typeStep('b')],
      (sent) => {
        typed.push(Buffer.from(sent).toString());
        if (typed.length === 1) script.output(bytes('A'));
      },
    );
    script.output(bytes('>'));
    expect(typed).toEqual(['a', 'b']);
    expect(script.done).toBe(true);
  });

  test('a bad pattern is a user error', () => {
    expect(() => expectStep('(')).toThrow(UserError);
    expect(() => expectStep('(')).toThrow(
      /^--expect: \/\(\/m?: .*; expected a JavaScript regular expression$/,
    );
  });
});

describe('parseTypedText', () => {
  test.each([
    ['ls\\n', 'ls\r'],
    ['a\nb', 'a\rb'],
    ['\\x03\\xff', '\x03\xff'],
    ['\\t\\b\\e\\\\n', '\t\b\x1b\\n'],
    ['', ''],
  ])('%j', (text, sent) => {
    expect(Buffer.from(parseTypedText(text)).toString('latin1')).toBe(sent);
  });

  test('other text goes as UTF-8', () => {
    expect([...parseTypedText('é😀')]).toEqual([...Buffer.from('é😀', 'utf8')]);
  });

  test.each(['\\q', '\\x4', '\\'])('%j is refused', (text) => {
    expect(() => parseTypedText(text)).toThrow(/unknown escape .* expected \\n \(Enter\)/);
  });
});
