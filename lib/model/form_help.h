/*
 * form_help - one member of a form, for people and for the form that they start with
 *
 * dist-destinations(5) says the same at length.
 */
#ifndef DIST_FORM_HELP_H
#define DIST_FORM_HELP_H

struct form_help {
    const char *name;
    const char *start; /* its value in a starting form, as JSON; NULL: it is not in it */
    const char *text;  /* what it is, its unit, its default */
};

#endif
