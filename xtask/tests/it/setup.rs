//! Goal: what the machine says of itself is read as it is printed.

use xtask::setup::free_kilobytes;

#[test]
fn free_space_is_the_fourth_column_of_the_last_line() {
    let told = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                /dev/vda         263174212 87654321  54321000      62% /\n";
    assert_eq!(free_kilobytes(told), Some(54_321_000));
    assert_eq!(free_kilobytes(""), None);
    assert_eq!(free_kilobytes("df: no such file"), None);
}
