/** Which columns the reader wants. */
import { Icon } from "../parts/icon";
import { Menu } from "../parts/menu";
import { COLUMNS, isShown, toggleColumn } from "./columns";

export function ColumnsMenu() {
  return (
    <Menu
      class="button columns-button"
      label={
        <>
          <Icon name="columns" />
          <span>Columns</span>
        </>
      }
    >
      {() =>
        COLUMNS.filter((column) => !column.isFixed).map((column) => (
          <label key={column.key} class="menu-item menu-check">
            <input type="checkbox" checked={isShown(column)} onChange={() => toggleColumn(column)} />
            {column.name}
          </label>
        ))
      }
    </Menu>
  );
}
