#include "lib.h"

#define APPLETS \
    APPLET(cat, "FILE...: print files") APPLET(clear, ": empty the screen") APPLET(cp, "[-r] FROM... TO: copy") \
    APPLET(date, ": what time it is") APPLET(dd, "if=FILE of=FILE bs=N count=N: copy blocks") APPLET(df, ": space on file systems") \
    APPLET(dmesg, ": what the kernel said") APPLET(du, "[DIRECTORY]: space that files take") APPLET(echo, "[-n] TEXT...: print") \
    APPLET(env, ": exported variables") APPLET(false, ": fail") APPLET(find, "[DIRECTORY] [-name PATTERN]: list a tree") \
    APPLET(free, ": memory") APPLET(grep, "[-invq] PATTERN [FILE...]: lines that match") APPLET(head, "[-n N] [FILE...]: first lines") \
    APPLET(help, "[COMMAND]: this list") APPLET(hexdump, "[FILE...]: bytes in hexadecimal") APPLET(hostname, "[NAME]: print or set it") \
    APPLET(id, ": who you are") APPLET(ifconfig, ": network interfaces") APPLET(init, ": the first process") \
    APPLET(kill, "[-SIGNAL] PID...: send a signal") APPLET(ln, "[-s] TARGET NAME: make a link") APPLET(ls, "[-laAd] [FILE...]: list") \
    APPLET(mkdir, "[-p] DIRECTORY...: make directories") APPLET(mount, "[-r] [-t TYPE] DEVICE DIRECTORY: mount, or list mounts") \
    APPLET(mv, "FROM... TO: move") APPLET(ping, "[-c N] ADDRESS: is it there?") APPLET(poweroff, ": end the machine") \
    APPLET(ps, ": processes") APPLET(pwd, ": where you are") APPLET(reboot, ": start anew") APPLET(rm, "[-rf] FILE...: remove") \
    APPLET(rmdir, "DIRECTORY...: remove empty directories") APPLET(sh, "[-c TEXT] [FILE]: the shell") APPLET(sleep, "SECONDS: wait") \
    APPLET(sort, "[-ru] [FILE...]: sort lines") APPLET(sync, ": write everything to the disk") APPLET(tail, "[-n N] [FILE...]: last lines") \
    APPLET(tee, "FILE...: copy input to files and output") APPLET(test, "EXPRESSION: -e -f -d FILE, A = B, N -lt M, ...") \
    APPLET(touch, "FILE...: create, or set the time") APPLET(true, ": succeed") APPLET(umount, "DIRECTORY: unmount") \
    APPLET(uname, "[-asnrm]: the system's name") APPLET(uptime, ": since when it runs") APPLET(wc, "[-lwc] [FILE...]: count") \
    APPLET(wget, "[-O FILE] http://HOST[:PORT]/PATH: fetch a page")

#define APPLET(name, text) applet name##_main;
APPLETS
#undef APPLET

static const struct { const char *name; applet *run; const char *help; } applets[] = {
#define APPLET(name, text) { #name, name##_main, text },
    APPLETS
#undef APPLET
};

applet *find_applet(const char *name)
{
    if (strcmp(name, "[") == 0) name = "test";
    for (int i = 0; i < count_of(applets); i++)
        if (strcmp(applets[i].name, name) == 0) return applets[i].run;
    return NULL;
}

static const char topics[] =
    "\n  try: ls -l /  ·  ps  ·  cat /proc/cpuinfo  ·  mount  ·  df  ·  ls | grep b* > /tmp/list; wc -l /tmp/list"
    "\n       wget -O - http://10.0.2.2:8000/  (a server on the host's loopback)  ·  dmesg | tail  ·  poweroff  (or ^] to leave)\n";

int help_main(int argc, char **argv)
{
    for (int i = 0; i < count_of(applets); i++)
        if (argc < 2 || strcmp(argv[1], applets[i].name) == 0) print("  %-9s %s\n", applets[i].name, applets[i].help);
    if (argc < 2) put(topics);
    return 0;
}

int run_applet(int argc, char **argv)
{
    const char *name = argc > 0 ? base_name(argv[0]) : "";
    if (*name == '-') name++;
    if (strcmp(name, "box") == 0 && argc > 1) {
        argc--;
        argv++;
        name = argv[0];
    }
    applet *found = find_applet(name);
    if (!found) found = help_main, argc = 1;
    applet_name = name;
    return found(argc, argv);
}

const char *options(char ***argv, const char *known)
{
    char letters[16];
    u32 n = 0;
    char **at = *argv + 1;
    for (; *at && at[0][0] == '-' && at[0][1]; at++) {
        if (strcmp(*at, "--") == 0) {
            at++;
            break;
        }
        for (const char *p = *at + 1; *p && n < sizeof letters - 1; p++) {
            if (!*upto(known, *p)) {
                complain("unknown option -%c", *p);
                return NULL;
            }
            letters[n++] = *p;
        }
    }
    letters[n] = 0;
    *argv = at;
    return duplicate(letters);
}
