/* Guards the defects that test builds put into the bootloader on purpose, one for each check, to
 * show that the case for that check fails. A production build that carries one does not compile. */
#ifndef TEST_BUILD_H
#define TEST_BUILD_H

#if (defined(HIL_DEFECT_SIGNATURE) || defined(HIL_DEFECT_VERSION) ||                               \
     defined(HIL_DEFECT_BATTERY) || defined(HIL_DEFECT_CONFIRM) || defined(HIL_DEFECT_ACL) ||      \
     defined(HIL_DEFECT_ANOMALY242)) &&                                                            \
    !defined(HIL_TEST_BUILD)
#error "a production build must not carry a defect: HIL_DEFECT_* needs HIL_TEST_BUILD"
#endif

#endif
